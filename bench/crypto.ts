import { cellAdministrator } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { keyringOf } from '../models/keyring.ts';
import { inTenant, readInTenant } from '../models/scope.ts';
import { credentialByToken } from '../models/tenant/credential.ts';
import { addPerson, withNames } from '../models/tenant/person.ts';
import { say, withEquipment } from './equipment.ts';
import { type Furnished, furnishedTenants } from './fill.ts';
import { interleaved, median } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * What sealing costs where it is felt: an authorised read of a person, e-mail address and name sealed, against the same
 * read of the same row with both in plain columns. Both look the credential up; one opens two fields.
 */
const tenantCount = 20;
const peopleEach = 50;
const atOnce = 8;
const reads = 1_000;
const throughputMs = 1_000;

type Read = (tenant: Furnished, id: string) => Promise<unknown>;

const ids = Array.from({ length: peopleEach }, (_, at) => `usr_${at}`);

export async function benchCrypto({ repetitions }: { repetitions: number }): Promise<boolean> {
  return withEquipment(async () => {
    const tenants = await furnishedTenants('eu', 'eu-1', tenantCount, 1);
    for (const tenant of tenants) await people(tenant);
    say(`${tenantCount} tenants of ${peopleEach} people; one moment …`);
    const kinds = {
      plain: reader('plain_email, plain_name', false),
      sealed: reader('sealed_email, sealed_name', true),
    };
    const each = Object.entries(kinds);
    for (const [, read] of each) await latencyOf(read, tenants);
    const measured = async (measure: (read: Read) => Promise<number>) =>
      interleaved(
        each.map(([name, read]) => ({ name, measure: () => measure(read) })),
        repetitions,
        1,
      );
    const latency = await measured((read) => latencyOf(read, tenants));
    const throughput = await measured((read) => perSecond(read, tenants));
    return report('crypto', lines(latency, throughput));
  });
}

function lines(latency: Map<string, number[]>, throughput: Map<string, number[]>): Line[] {
  const [us, rate] = [latency, throughput].map((of) => (name: string) => of.get(name) ?? []);
  return [
    { what: 'latency: authorised read, two plain fields (floor)', unit: 'µs', values: us?.('plain') ?? [] },
    {
      what: 'latency: authorised read, two sealed fields',
      unit: 'µs',
      values: us?.('sealed') ?? [],
      floor: us?.('plain') ?? [],
      budget: { atMost: 1.25 },
    },
    { what: `throughput at ${atOnce}: two plain fields (floor)`, unit: '/s', values: rate?.('plain') ?? [] },
    {
      what: `throughput at ${atOnce}: two sealed fields`,
      unit: '/s',
      values: rate?.('sealed') ?? [],
      floor: rate?.('plain') ?? [],
      // The same 1.25, said of a rate.
      budget: { atLeast: 0.8 },
    },
  ];
}

async function people({ place }: Furnished): Promise<void> {
  const schema = schemaOf(place.tenantId);
  await inTenant(place, async ({ sql }) => {
    for (const id of ids)
      await addPerson(sql, { id, email: `${id}@bench.example`, name: `Person ${id}`, state: 'active' });
  });
  await cellAdministrator(place.cell).query(
    `ALTER TABLE ${schema}.users ADD COLUMN plain_email text, ADD COLUMN plain_name text;
     SET app.tenant = '${place.tenantId}';
     UPDATE ${schema}.users SET plain_email = id || '@bench.example', plain_name = 'Person ' || id; RESET app.tenant`,
  );
}

const reader =
  (columns: string, sealed: boolean): Read =>
  async ({ place, tokenHash }, id) => {
    const { tenantId } = place;
    const [, rows = []] = await readInTenant(place, [
      credentialByToken(tenantId, 'key', tokenHash),
      {
        text: `SELECT id, ${columns}, state, version FROM ${schemaOf(tenantId)}.users WHERE id = $1`,
        values: [id],
      },
    ]);
    return sealed ? withNames(await keyringOf(place), rows) : rows;
  };

function pick(tenants: Furnished[], turn: number): [Furnished, string] {
  const tenant = tenants[(turn * 7) % tenants.length];
  const id = ids[(turn * 13) % ids.length];
  if (!tenant || !id) throw new Error('there are no tenants to read from');
  return [tenant, id];
}

async function latencyOf(read: Read, tenants: Furnished[]): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < reads; turn++) {
    const started = performance.now();
    await read(...pick(tenants, turn));
    times.push((performance.now() - started) * 1_000);
  }
  return median(times);
}

async function perSecond(read: Read, tenants: Furnished[]): Promise<number> {
  const started = performance.now();
  const end = started + throughputMs;
  let done = 0;
  const caller = async (at: number) => {
    for (let turn = at * 1_000; performance.now() < end; turn++, done++) await read(...pick(tenants, turn));
  };
  await Promise.all(Array.from({ length: atOnce }, (_, at) => caller(at)));
  return (done * 1_000) / (performance.now() - started);
}
