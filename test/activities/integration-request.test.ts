import assert from 'node:assert/strict';
import { addressOf } from '../../activities/integration/request.ts';
import { Refusal } from '../../policies/refusal.ts';

describe('the address of a tool’s call', () => {
  it('R6.4 stays below the address that was saved, whatever stands in the path', () => {
    const base = 'https://api.example.com/v2/acme';
    assert.equal(addressOf(base, { path: '/a?b=1' }).href, `${base}/a?b=1`);
    assert.equal(addressOf(base, { path: '/a%20b;c%0a..d' }).href, `${base}/a%20b;c%0a..d`);
    for (const path of [
      '/../globex',
      '/%2e%2e/globex',
      '/a/../../globex',
      '/..\\globex',
      '/%252e%252e/x',
      '/%zz/%25252e%25252e/x',
      '/%00/..%00/%2e.%2fx',
      '//evil.example/x/../../../..',
      'https://evil.example/',
      '@evil.example/',
      '/..%2fglobex',
      '/%5c..',
      '/..;/globex',
      '/..;x=1/globex',
      '/..%3b/globex',
      '/%252e\t%252e/x',
      '/.%0a./x',
      '',
    ])
      assert.throws(() => addressOf(base, { path }), Refusal, path);
  });

  it('R6.4 keeps what an address may hold: encoded spaces, percent signs, dots in names', () => {
    const base = 'https://api.example.com';
    for (const path of ['/a%20b', '/100%25', '/file.tar.gz', '/..name', '/a/b...c', '/%E2%82%AC'])
      assert.equal(addressOf(base, { path }).href, `${base}${path}`, path);
  });
});
