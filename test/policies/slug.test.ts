import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  reservedSlugs,
  slugFaults,
  slugLengthMax,
  slugLengthMin,
  slugSkeleton,
} from '../../policies/slug.ts';

describe('an address', () => {
  it('R1.2 is a DNS label of letters, digits and hyphens', () => {
    for (const good of ['acme', 'acme-corp', 'a2z', 'x-1-y', 'a'.repeat(slugLengthMax), 'abc'])
      assert.deepEqual(slugFaults(good), [], good);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => {
        if (slugFaults(text).length === 0) assert.match(text, /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/);
      }),
    );
  });

  it('R1.2 has every fault named, each letter once and by its code point', () => {
    const faults = slugFaults('-Äé😀é');
    assert.equal(faults.filter((each) => /U\+00C4/.test(each)).length, 1);
    assert.equal(faults.filter((each) => /U\+00E9/.test(each)).length, 1);
    assert.ok(faults.some((each) => /U\+1F600/.test(each)));
    assert.ok(faults.some((each) => /begin or end with a hyphen/.test(each)));
  });

  it('R1.2 is neither shorter nor longer than it may be', () => {
    assert.equal(slugFaults('a'.repeat(slugLengthMin - 1)).length, 1);
    assert.equal(slugFaults('a'.repeat(slugLengthMin)).length, 0);
    assert.equal(slugFaults('a'.repeat(slugLengthMax + 1)).length, 1);
  });

  it('R1.2 is no reserved word, and looks like none', () => {
    for (const word of reservedSlugs) {
      assert.ok(
        slugFaults(word).some((each) => each.includes('is reserved')),
        word,
      );
      const disguised = word
        .replace('m', 'rn')
        .replace('o', '0')
        .replace('l', '1')
        .replace('s', '5')
        .replace('w', 'vv');
      assert.ok(slugFaults(disguised).length > 0, disguised);
    }
  });

  const alike: [string, string][] = [
    ['morning', 'moming'],
    ['google', 'goog1e'],
    ['apple', 'app1e'],
    ['oracle', '0racle'],
    ['vvest', 'west'],
    ['cloud', 'doud'],
    ['cloud', 'c1oud'],
    ['acl', 'aci'],
    ['silo', '5ilo'],
    ['bill', 'bi11'],
    ['lion', 'iion'],
  ];
  for (const [one, other] of alike) {
    it(`R1.2 “${one}” is taken for “${other}”`, () => assert.equal(slugSkeleton(one), slugSkeleton(other)));
  }

  it('R1.2 is not taken for one that merely resembles it', () => {
    const distinct = ['acme', 'acne', 'acmes', 'ac-me', 'globex', 'glabex', 'north', 'south'];
    assert.equal(new Set(distinct.map(slugSkeleton)).size, distinct.length);
  });

  it('R1.2 has a skeleton that folds no further, so that the directory compares like with like', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{1,20}[a-z0-9]$/), (slug) => {
        assert.equal(slugSkeleton(slugSkeleton(slug)), slugSkeleton(slug));
      }),
    );
  });
});
