import { z } from 'zod';
import { newId } from '../../models/ids.ts';
import { type KeyFacts, keyFacts } from '../../models/key-facts.ts';
import { keyringOf } from '../../models/keyring.ts';
import { damagedUnderOlder, sealedCounts } from '../../models/resealing.ts';
import { type Place, readInSystem } from '../../models/scope.ts';
import { Refusal } from '../../policies/refusal.ts';
import { keptOpenDays } from '../../policies/sealed-columns.ts';
import { beginErrands } from '../errands.ts';
import { accepted } from '../operations.ts';
import { iso } from '../present.ts';
import { dryRun, id, moment } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

/** The organisation's key as it may be known: its versions, what they are wrapped under, how far a rotation is. */
const tag = 'Encryption key';

/** Operations are the operators' to read; an organisation sees how far its rotation is with its key. */
const progressPath = '/v1/encryption-key';
const operation = z.object({ id: id('op'), href: z.string(), kind: z.string(), state: z.string() });

const sealedColumn = z.object({
  table: z.string(),
  column: z.string(),
  rows: z.int(),
  underOlder: z.int().meta({ description: 'Still under an older version; a rotation brings it to 0.' }),
});

const shown = z
  .object({
    usable: z.boolean(),
    unusable: z.string().nullable().meta({ description: 'Why nothing opens now, in a sentence.' }),
    versions: z.array(
      z.object({
        version: z.int(),
        fingerprint: z.string(),
        state: z.enum(['sealing', 'opening', 'retired', 'destroyed']),
        createdAt: moment,
        supersededAt: moment.nullable(),
        endedAt: moment.nullable(),
        wrappedBy: z.object({
          rootKey: z.enum(['file', 'aws-kms']),
          customerKey: z.string().nullable(),
        }),
      }),
    ),
    customerKey: z.object({ arn: z.string(), endpoint: z.string().nullable(), since: moment }).nullable(),
    sealed: z.array(sealedColumn),
    damaged: z.array(z.object({ table: z.string(), column: z.string(), row: z.string() })).meta({
      description:
        'Values under an older version that do not open although their key is there. A rotation leaves them as they are, and the version they name stays open for them; mend them from a backup, or remove what they belong to. At most 100 of each column are told at once; empty while nothing opens.',
    }),
    rotation: operation
      .extend({ percent: z.int() })
      .nullable()
      .meta({ description: 'The one under way; percent counts what is sealed anew.' }),
  })
  .meta({ id: 'EncryptionKey' });

export const readEncryptionKey = tenantRead({
  method: 'get',
  path: '/encryption-key',
  tag,
  summary:
    'What the organisation’s data is sealed under, and how far a rotation is; answers also when nothing opens',
  permit: ['read', 'EncryptionKey'],
  answers: { 200: shown },
  withoutKey: true,
  handle: async ({ place }) => ({ status: 200, body: await shownKey(place) }),
});

async function shownKey(place: Place) {
  const facts = await keyFacts(place);
  const [newest] = facts;
  const sealed = newest ? await sealedCounts(place, newest.version) : [];
  const unusable = await whyUnusable(place);
  return {
    usable: unusable === null,
    unusable,
    versions: facts.map(presentVersion),
    customerKey: newest?.customerArn
      ? { arn: newest.customerArn, endpoint: newest.customerEndpoint, since: iso(newest.customerSince) }
      : null,
    sealed,
    damaged: unusable === null ? await damagedUnderOlder(place, sealed) : [],
    rotation: await rotationNow(place.tenantId, sealed),
  };
}

const presentVersion = (facts: KeyFacts) => ({
  version: facts.version,
  fingerprint: facts.fingerprint,
  state: facts.state,
  createdAt: iso(facts.createdAt),
  supersededAt: iso(facts.supersededAt),
  endedAt: iso(facts.endedAt),
  wrappedBy: {
    rootKey: facts.rootKey.startsWith('aws:') ? ('aws-kms' as const) : ('file' as const),
    customerKey: facts.customerArn,
  },
});

async function whyUnusable(place: Place): Promise<string | null> {
  try {
    await keyringOf(place);
    return null;
  } catch (cause) {
    if (cause instanceof Refusal) return cause.message;
    throw cause;
  }
}

async function rotationNow(tenantId: string, sealed: { rows: number; underOlder: number }[]) {
  const [rows] = await readInSystem(tenantId, [
    {
      text: `SELECT id, kind, state FROM operations WHERE tenant_id = $1 AND kind = 'rotate-key' AND state IN ('running', 'parked')
             ORDER BY id LIMIT 1`,
      values: [tenantId],
    },
  ]);
  const [row] = rows ?? [];
  if (!row) return null;
  const sum = (of: 'rows' | 'underOlder') => sealed.reduce((total, each) => total + each[of], 0);
  const percent = Math.floor((100 * (sum('rows') - sum('underOlder'))) / Math.max(sum('rows'), 1));
  return {
    id: String(row.id),
    href: progressPath,
    kind: String(row.kind),
    state: String(row.state),
    percent,
  };
}

export const rotateEncryptionKey = tenantWrite({
  method: 'post',
  path: '/encryption-key/rotations',
  tag,
  summary: `Seal everything under a fresh key; the old one opens for ${keptOpenDays} days more, then it is destroyed; ?dryRun=true counts`,
  permit: ['rotate', 'EncryptionKey'],
  inTurn: true,
  query: z.strictObject({ dryRun }),
  answers: {
    200: z.object({ would: z.object({ reseal: z.array(sealedColumn) }) }).meta({ id: 'KeyRotationPreview' }),
    202: z.object({ operation }).meta({ id: 'KeyRotation' }),
  },
  handle: async ({ tenant, tenantId, principal, requestId, query, place }) => {
    const [newest] = await keyFacts(place);
    const sealed = await sealedCounts(place, (newest?.version ?? 0) + 1);
    const running = await rotationNow(tenantId, sealed);
    if (running)
      throw new Refusal('operation-running', `A rotation is under way (${running.id}); wait for it to end.`, {
        extra: { operation: running },
      });
    if (query.dryRun) return { status: 200, body: { would: { reseal: sealed } }, unchanged: true };
    const operationId = newId('op');
    const errand = { operationId, subjectId: tenantId };
    const asked = { tenantId, kind: 'rotate-key' as const, principal, requestId };
    const start = await beginErrands(tenant, asked, [errand]);
    const link = {
      id: operationId,
      href: progressPath,
      kind: 'rotate-key',
      state: 'running',
    };
    return {
      ...accepted({ operation: link }, link),
      audit: { id: tenantId, operationId },
      afterCommit: start,
    };
  },
});
