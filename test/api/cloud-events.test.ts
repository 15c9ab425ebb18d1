import assert from 'node:assert/strict';
import { useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Reported = Record<'accepted' | 'duplicate' | 'refused', number> & {
  items: { id: string | null; verdict: string }[];
};

describe('events of other systems', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R5.1 takes CloudEvents as others write them: with attributes of their own, without a time, in a batch or alone', async () => {
    const model = freshSlug('model');
    const event = () => ({
      ...{ specversion: '1.0', id: freshSlug('event'), source: 'urn:gateway:eu', type: 'tokens.input' },
      data: { value: 1, model },
    });
    const theirs = { subject: 'tokens', dataschema: null, traceparent: '00-1', sampled: true, shard: 7 };
    const typed = { ...event(), ...theirs, datacontenttype: 'application/json; charset=utf-8' };
    const as = (form: string, body: unknown, type = `application/cloudevents${form}+json; charset=utf-8`) =>
      acme.call<Reported>('POST', '/v1/usage/events', body, { 'content-type': type });
    const sent = await as('', { events: [typed] }, 'application/json');
    assert.deepEqual(sent.body.items, [{ id: typed.id, verdict: 'accepted' }]);
    const batch = await as('-batch', [typed, event()]);
    assert.deepEqual([batch.body.duplicate, batch.body.accepted], [1, 1], batch.text);
    const single = await as('', { ...typed, id: freshSlug('event') });
    assert.deepEqual([single.status, single.body.accepted], [200, 1], single.text);
    assert.deepEqual(
      [(await as('-batch', typed)).status, (await as('', [typed])).body.refused],
      [400, 1],
      'each in the form that it says it has',
    );
    const { body } = await acme.call<{ series: { total: number }[] }>('GET', `/v1/usage?model=${model}`);
    const totals = body.series.map(({ total }) => total).filter((total) => total > 0);
    assert.deepEqual(totals, [3]);
  });
});
