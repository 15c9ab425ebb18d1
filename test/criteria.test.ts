import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';

/**
 * The 75 acceptance criteria, and which tests name them. What no test names stands in test/criteria-uncovered.txt,
 * which may only shrink: `npm test` fails for a criterion that is missing there, and for one that need not be there.
 */
const criteria = Array.from({ length: 15 }, (_, requirement) =>
  Array.from({ length: 5 }, (_, at) => `R${requirement + 1}.${at + 1}`),
).flat();

/** Tests in pieces (`it.skip`) prove nothing, so only plain ones count. */
const titlePattern = /\bit\(\s*(['"`])((?:(?!\1).)+)\1/g;

async function titles(): Promise<{ file: string; title: string }[]> {
  const files = (await Array.fromAsync(glob('test/**/*.test.ts'))).sort();
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'utf8');
      return [...text.matchAll(titlePattern)].map((match) => ({ file, title: match[2] ?? '' }));
    }),
  );
  return found.flat();
}

const criterionOf = (title: string) => /^(R\d+\.\d+) /.exec(title)?.[1];

describe('the acceptance criteria', () => {
  it('R1.5 are named by every test, one each, and none is made up', async () => {
    const found = await titles();
    assert.ok(found.length > 200, 'the titles were read');
    const astray = found.filter(({ title }) => !criteria.includes(criterionOf(title) ?? ''));
    assert.deepEqual(astray, []);
  });

  it('R1.5 are each named by a test, or listed as uncovered and not both', async () => {
    const covered = new Set((await titles()).map(({ title }) => criterionOf(title)));
    const listed = (await readFile('test/criteria-uncovered.txt', 'utf8')).trim().split('\n');
    assert.deepEqual(
      listed,
      criteria.filter((criterion) => !covered.has(criterion)),
    );
  });

  it('R1.5 of tenants and their isolation have more than a token test each', async () => {
    const found = await titles();
    for (const criterion of ['R1.1', 'R1.2', 'R1.3', 'R1.4', 'R1.5', 'R2.1', 'R2.2', 'R2.4']) {
      const count = found.filter(({ title }) => criterionOf(title) === criterion).length;
      assert.ok(count >= 5, `${criterion} is named by ${count} tests`);
    }
  });
});
