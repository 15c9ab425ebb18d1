import { hiddenFields } from '../../policies/authorize.ts';
import type { SubjectType } from '../../policies/permission.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { keyringOf } from '../keyring.ts';
import { type Place, readInTenant } from '../scope.ts';
import { visibleTo } from '../visible.ts';
import { withNames } from './person.ts';
import type { Reader } from './readable.ts';

/** Names for the ids that use is of, as far as whoever reads may read what bears them. */
const named = { Agent: 'agents', Workflow: 'workflows', ApiKey: 'api_keys' } as const satisfies Partial<
  Record<SubjectType, string>
>;

export async function namesOf(
  place: Place,
  reader: Reader,
  ids: Iterable<string>,
): Promise<Record<string, string>> {
  const wanted = `{${[...new Set(ids)].filter((id) => /^(agt|wfl|key|usr)_\w+$/.test(id)).join(',')}}`;
  if (wanted === '{}') return {};
  const statements = (['Agent', 'Workflow', 'ApiKey'] as const).map((subject): Statement => {
    const may = visibleTo(reader.rights, subject, reader.ids)(2);
    const text = `SELECT id, name FROM ${schemaOf(place.tenantId)}.${named[subject]}
      WHERE id = ANY ($1::text[]) AND ${may.text}`;
    return { text, values: [wanted, ...may.values] };
  });
  const [people = [], ...found] = await readInTenant(place, [
    peopleStatement(place, reader, wanted),
    ...statements,
  ]);
  const all = [...(await withoutTheirKey(() => namedPeople(place, reader, people))), ...found.flat()];
  return Object.fromEntries(all.map(({ id, name }) => [String(id), String(name)]));
}

/** A person is their own owner: that is what “own” means of them. */
function peopleStatement({ tenantId }: Place, { rights, ids }: Reader, wanted: string): Statement {
  const may = visibleTo(rights, 'User', ids)(2);
  const text = `SELECT * FROM (SELECT id, id AS owner_id, sealed_email, sealed_name FROM ${schemaOf(tenantId)}.users) people
    WHERE id = ANY ($1::text[]) AND ${may.text}`;
  return { text, values: [wanted, ...may.values] };
}

async function namedPeople(place: Place, { rights, ids }: Reader, rows: Row[]): Promise<Row[]> {
  if (rows.length === 0) return [];
  const people = withNames(await keyringOf(place), rows);
  return people.filter((object) => !hiddenFields(rights, { type: 'User', object, ids }).includes('name'));
}

/** What was used can be read without the key of the organisation; who its people are cannot. */
const withoutTheirKey = (people: () => Promise<Row[]>): Promise<Row[]> =>
  people().catch((fault: unknown) => {
    if (fault instanceof Refusal) return [];
    throw fault;
  });
