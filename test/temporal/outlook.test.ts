import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { type Outlook, outlook } from '../../temporal/outlook.ts';
import { eventually } from '../support/traces.ts';

describe('what is known of a server that may be away', () => {
  const gone = new Error('nobody there');
  let probes: { answer: () => void; stayAway: () => void }[];
  let watched: Outlook;
  beforeEach(() => {
    probes = [];
    watched = outlook(
      () =>
        new Promise<void>((resolve, reject) => {
          probes.push({ answer: resolve, stayAway: () => reject(gone) });
        }),
    );
  });
  afterEach(() => watched.close());

  it('R1.1 is asked about by one probe, however many calls were not answered', async () => {
    for (let call = 0; call < 20; call++) watched.doubt();
    await turn();
    assert.equal(probes.length, 1);
  });

  it('R1.1 refuses nobody for a single lost answer: whoever asks meanwhile waits for the probe', async () => {
    watched.doubt();
    const asked = watched.hope();
    probes[0]?.answer();
    await asked;
    await watched.hope();
  });

  it('R1.1 refuses at once while it is away, and no longer when a later probe is answered', async () => {
    watched.doubt();
    const asked = watched.hope();
    probes[0]?.stayAway();
    await assert.rejects(asked, gone);
    await assert.rejects(watched.hope(), gone);
    await eventually(async () => assert.equal(probes.length, 2));
    await assert.rejects(watched.hope(), gone);
    probes[1]?.answer();
    await eventually(() => watched.hope());
    watched.doubt();
    await turn();
    assert.equal(probes.length, 3);
  });
});
