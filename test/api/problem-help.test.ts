import assert from 'node:assert/strict';
import { problemCodes } from '../../api/errors.ts';
import { problemHelp } from '../../api/problem-help.ts';
import { callerOf } from '../support/client.ts';

describe('the pages that problems lead to', () => {
  it('R1.1 say of each problem when it is answered and what to do', async () => {
    for (const { code, status } of problemCodes) {
      const { status: found, text } = await callerOf().call('GET', `/docs/problems/${code}`);
      assert.equal(found, 200, code);
      assert.ok(text.startsWith(`${code}: `) && text.includes(`(HTTP ${status}).`), text);
      const { when, remedy } = problemHelp[code];
      assert.ok(text.includes(`When: ${when}`) && text.includes(`What to do: ${remedy}`), text);
    }
    assert.equal((await callerOf().call('GET', '/docs/problems/nothing')).status, 404);
  });

  it('R1.1 send nobody to a route that is not there', async () => {
    type Paths = { paths: Record<string, Record<string, unknown>> };
    const { body } = await callerOf().call<Paths>('GET', '/v1/openapi.json');
    const named = Object.values(problemHelp).flatMap(({ remedy }) => [
      ...remedy.matchAll(/(GET|POST) \/v1(\/[a-z-]+(?:\/\{\w+\})?)/g),
    ]);
    assert.ok(named.length > 3);
    for (const [text, method = '', path = ''] of named) {
      const there = Object.keys(body.paths).find(
        (each) => each.replace(/^\/v1/, '').replace(/\{\w+\}/g, '{id}') === path,
      );
      assert.ok(there && body.paths[there]?.[method.toLowerCase()], text);
    }
  });
});
