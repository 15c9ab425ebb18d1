import assert from 'node:assert/strict';
import { EgressFailure } from '../../activities/egress/failure.ts';
import { sayable } from '../../activities/run/sayable.ts';
import { inTenant } from '../../models/scope.ts';
import { ModelFailure } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { member } from '../support/tenants.ts';

describe('what a run says of a failure', () => {
  it('R4.3 is written for its readers, and never the words of the database or a library', async () => {
    useSharedModels();
    const place = await placed((await member()).tenant.id);
    const canary = 'canary-in-a-row';
    const thrown = await inTenant(place, ({ sql }) => sql('SELECT $1::text::int', [canary])).catch(
      (error: unknown) => error,
    );
    assert.match(String(thrown), new RegExp(canary), 'the database repeats what it was given');
    for (const error of [thrown, new TypeError(`${canary} is not a function`), canary])
      assert.doesNotMatch(sayable(error), new RegExp(`${canary}|invalid|TypeError`));
  });

  it('R2.3 tells what the organisation can mend, and which side failed', () => {
    assert.equal(sayable(new Refusal('conflict', 'Mend it.')), 'Mend it.');
    assert.match(sayable(new ModelFailure('rate-limited')), /slow down/);
    assert.match(sayable(new EgressFailure('reach', new Error('10.0.0.7'))), /stage "reach"/);
  });
});
