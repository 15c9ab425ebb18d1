import { auditInTenant } from '../../models/audit.ts';
import { config } from '../../models/databases.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place, type Sql } from '../../models/scope.ts';
import { whyRestricted } from '../../models/tenant/acting.ts';
import { goodCredentials, noteCredential, openCredential } from '../../models/tenant/llm-credential.ts';
import { type NamedProvider, namedProvider } from '../../models/tenant/llm-provider.ts';
import { beginUse, endUse, type NewUse } from '../../models/tenant/llm-use.ts';
import { foldSoon } from '../../models/tenant/usage-fold.ts';
import { whyNotAsked } from '../../policies/llm-provider.ts';
import type { Tokens } from '../../policies/model-verdict.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Settings } from '../../policies/setting-inheritance.ts';
import type { TokenBound } from '../../policies/token-bound.ts';
import type { Accounting } from './accounting.ts';

/**
 * A provider's credential, given to whoever makes one call and for that call only. Whether it may be asked is decided
 * in the very transaction that hands the credential out and writes down that it did; a refusal is written down as well.
 */
export type Borrower = {
  principalId: string;
  agentId?: string | undefined;
  runId?: string | undefined;
  purpose?: NewUse['purpose'] | undefined;
};

export type Wanted = {
  providerId: string;
  model: string;
  borrower: Borrower;
  settings: Settings;
  /** Numbers of the credentials that the provider has just refused. */
  refused: readonly number[];
  /** What a restriction put this model in the place of. */
  instead?: Instead | undefined;
  bound: TokenBound;
  accounting: Accounting;
};

export type Lease = {
  provider: NamedProvider;
  /** What the provider calls the model. */
  model: string;
  /** Undefined where the kind needs none. */
  credential: { number: number; secret: string } | undefined;
  /** Whether another one is good as well. */
  more: boolean;
  use: string;
  /** How long the answer may be. */
  outputTokens: number;
};

export type Instead = NonNullable<NewUse['instead']>;
/** The call is broken off when the provider's time is up (activities/language-model.ts); so much later it is surely over. */
const marginSeconds = 60;

export type Located = Place & { region: string };

export async function lease(place: Located, wanted: Wanted): Promise<Lease> {
  const keyring = await keyringOf(place);
  const outcome = await inTenant(place, async ({ sql }) => {
    const provider = await namedProvider(sql, wanted.providerId);
    if (!provider) return missing(wanted.providerId);
    const model = provider.aliases[wanted.model] ?? wanted.model;
    const why = whyNotAsked({ ...provider, model }, rulesOf(wanted.settings), asking(place, wanted));
    if (why) return refused(sql, place, wanted, { provider, why });
    const good = await goodCredentials(sql, provider.id);
    const left = good.filter(({ number }) => !wanted.refused.includes(number));
    const [sealed] = left;
    const { borrower } = wanted;
    const use = await beginUse(sql, {
      ...borrower,
      purpose: borrower.purpose ?? 'run',
      providerId: provider.id,
      credential: sealed?.number ?? null,
      model,
      region: provider.region,
      instead: wanted.instead,
    });
    const credential = sealed && {
      number: sealed.number,
      secret: openCredential(keyring, provider.id, sealed),
    };
    if (sealed) await noteCredential(sql, provider.id, sealed.number, 'used');
    const call = { seq: use, seconds: provider.timeoutSeconds + marginSeconds };
    // Last, for it locks what everybody wants; a limit that is used up says more than the restriction that follows from it.
    const restricted = await whyRestricted(sql, 'call a model', borrower);
    const outputTokens = await wanted.accounting.reserve(sql, wanted.bound, call);
    if (restricted) throw restricted;
    return { provider, model, credential, more: left.length > 1, use, outputTokens };
  });
  if (outcome instanceof Refusal) throw outcome;
  return outcome;
}

export type Settled = { outcome: string; tokens: Tokens | undefined; milliseconds: number };

export async function settle(
  place: Place,
  held: Lease,
  settled: Settled,
  accounting: Accounting,
): Promise<void> {
  const { provider, credential, use: seq, model } = held;
  const { tokens } = settled;
  await inTenant(place, async ({ sql }) => {
    await endUse(sql, seq, settled);
    if (credential && settled.outcome === 'credential-refused')
      await noteCredential(sql, provider.id, credential.number, 'refused');
    await accounting.settle(sql, { seq, model, tokens });
  });
  if (tokens) foldSoon(place);
}

export function principalOf(place: Place, { principalId: id }: Borrower): Principal {
  return { kind: id.startsWith('key_') ? 'api-key' : 'user', id, tenantId: place.tenantId };
}

const missing = (id: string) =>
  new Refusal('unprocessable', `There is no model provider ${id}; name another.`);

function rulesOf(settings: Settings) {
  return {
    allowedProviders: settings.get('llm.allowedProviders'),
    allowedModels: settings.get('llm.allowedModels'),
    allowedRegions: settings.get('llm.allowedRegions'),
  };
}

function asking(place: Located, { borrower }: Wanted) {
  const { regions } = config();
  return {
    agentId: borrower.agentId,
    anyAgent: borrower.purpose === 'test',
    ownRegion: regions.find(({ name }) => name === place.region)?.group ?? '',
    knownRegions: regions.map(({ group }) => group),
  };
}

async function refused(
  sql: Sql,
  place: Place,
  { borrower }: Wanted,
  { provider, why }: { provider: NamedProvider; why: string },
): Promise<Refusal> {
  const { agentId, runId } = borrower;
  await auditInTenant(sql, {
    actor: principalOf(place, borrower),
    action: 'call LlmProvider',
    subject: { type: 'LlmProvider', id: provider.id },
    outcome: 'refused',
    reason: why,
    details: { ...(agentId && { agentId }), ...(runId && { runId }) },
  });
  return new Refusal('unprocessable', why, { extra: { provider: provider.id } });
}
