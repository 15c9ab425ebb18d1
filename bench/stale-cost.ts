import type { Row, Statement } from '../models/batch.ts';
import { schemaOf } from '../models/ids.ts';
import { readInTenant } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { agentById } from '../models/tenant/agent.ts';
import { asCredential, credentialByToken } from '../models/tenant/credential.ts';
import { rightsOf } from '../models/tenant/rights.ts';
import { authorize } from '../policies/authorize.ts';
import type { Rights } from '../policies/rights.ts';
import type { Furnished } from './fill.ts';
import { interleaved } from './statistics.ts';
import type { Line } from './table.ts';

/**
 * What it costs to ask for roles and the version of their rules with every read: against rights that are remembered
 * and never asked for again, once with the session still looked up and once without anything but the row.
 */
const atOnce = 8;
const measuredMs = 1_000;

type Read = () => Promise<boolean>;

export async function costOfKnowing(
  { place, agentIds }: Furnished,
  token: string,
  repetitions: number,
): Promise<Line[]> {
  const { tenantId } = place;
  const row = agentById(tenantId, agentIds[0] ?? '');
  const standing = credentialByToken(tenantId, 'ses', digest(token));
  const ask = async (statement: Statement) => (await readInTenant(place, [statement]))[0] ?? [];
  const rightsBy = async (rows: Row[] | undefined) => {
    const credential = asCredential(rows?.[0]);
    if (!credential) throw new Error('the session of the bench is not valid');
    return rightsOf(tenantId, credential, ask);
  };
  const remembered = await rightsBy(await ask(standing));
  const may = (rights: Rights, rows: Row[] | undefined) =>
    authorize(rights, 'read', { type: 'Agent', object: rows?.[0] ?? {} }).allowed;
  const kinds: Record<string, Read> = {
    none: async () => may(remembered, (await readInTenant(place, [row]))[0]),
    session: async () => may(remembered, (await readInTenant(place, [sessionOnly(tenantId, token), row]))[1]),
    checked: async () => {
      const [who, found] = await readInTenant(place, [standing, row]);
      return may(await rightsBy(who), found);
    },
  };
  const variants = Object.entries(kinds).map(([name, read]) => ({ name, measure: () => perSecond(read) }));
  const results = await interleaved(variants, repetitions, 1);
  const values = (name: string) => results.get(name) ?? [];
  const floor = values('session');
  return [
    { what: 'session and row, rights remembered (floor)', unit: '/s', values: floor },
    { what: 'session, roles and version of the rules, row', unit: '/s', values: values('checked'), floor },
    { what: 'row alone, nothing asked about who it is', unit: '/s', values: values('none'), floor },
  ];
}

/** Whether the session is good, and nothing of what it may. */
const sessionOnly = (tenantId: string, token: string): Statement => {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT s.id, u.id AS principal_id, t.state FROM ${schema}.sessions s JOIN ${schema}.users u ON u.id = s.user_id
           CROSS JOIN ${schema}.tenant t WHERE s.token_hash = $1 AND s.expires_at > now() AND u.state = 'active'`,
    values: [digest(token)],
  };
};

async function perSecond(read: Read): Promise<number> {
  const started = performance.now();
  let reads = 0;
  const caller = async () => {
    for (; performance.now() < started + measuredMs; reads++)
      if (!(await read())) throw new Error('a read of the bench was refused');
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  return (reads * 1_000) / (performance.now() - started);
}
