import type { Socket } from 'node:net';
import { LRUCache } from 'lru-cache';
import { Agent, type Response as UndiciResponse, fetch as undiciFetch } from 'undici';
import { auditInTenant } from '../../models/audit.ts';
import { config } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import {
  type EgressReason,
  type EgressRules,
  egressReasonOf,
  egressRefusal,
  hostAllowed,
  plainHost,
} from '../../policies/egress.ts';
import type { SubjectType } from '../../policies/permission.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { giveWay } from '../../temporal/run-slots.ts';
import { bounded } from './bounded.ts';
import { among, EgressFailure } from './failure.ts';
import { type Resolve, resolve as resolveByDns } from './resolver.ts';
import { bytesOf, hadLeft, noteSent } from './sent.ts';
import { openSocket, type Wanted } from './socket.ts';

/**
 * Every outgoing call of a tenant goes through here; test/house-style.test.ts keeps other ways shut. What is refused
 * is written to the tenant's own trail, with a reason that tells nothing of what lies behind the address.
 */
export type Purpose = {
  actor: Principal;
  /** For what the call is made: the provider, the integration. */
  subject: { type: SubjectType; id?: string };
  requestId?: string;
};

export type EgressLimits = {
  /** From the first look-up to the last byte. */
  totalMs: number;
  /** Without a byte. */
  idleMs: number;
  /** Of the answer as it is after decompression. */
  responseBytesMax: number;
};
const usual: EgressLimits = { totalMs: 30_000, idleMs: 15_000, responseBytesMax: 10 * 1024 * 1024 };

export type Egress = {
  /** As the platform's fetch, but that a redirect, and whatever the guard refuses, throws. */
  fetch: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /** For protocols other than HTTP; `starttls` is a connection that turns to TLS before anything secret is said. */
  connect: (wanted: Wanted, signal?: AbortSignal) => Promise<Socket>;
};

type More = { limits?: Partial<EgressLimits>; resolve?: Resolve };

export function egressOf(
  place: Place & { region?: string },
  purpose: Purpose,
  rules: EgressRules,
  more: More = {},
): Egress {
  const limits = { ...usual, ...more.limits };
  const resolve = more.resolve ?? resolveByDns;
  const { egress: operator } = config();
  const judged = async <T>(host: string, signal: AbortSignal | null | undefined, act: () => Promise<T>) => {
    try {
      if (!hostAllowed(host, rules.allowedHosts)) throw egressRefusal('host');
      giveWay();
      return await act();
    } catch (thrown) {
      // What the caller broke off says nothing about the other side.
      throw signal?.aborted ? thrown : await told(place, purpose, host, thrown);
    }
  };
  const open = (wanted: Wanted) => openSocket(wanted, { rules, operator, resolve });
  const agent = () => agentOf(place.tenantId, { rules, limits, open, own: more.resolve !== undefined });
  return {
    fetch: async (url, init = {}) => {
      const target = new URL(url);
      const host = plainHost(target.hostname);
      const answer = await judged(host, init.signal, () =>
        counted(place, purpose, bytesOf(target, init), () => fetched(target, init, limits, agent())),
      );
      return bounded.response(answer, limits.responseBytesMax, () => record(place, purpose, host, 'size'));
    },
    connect: async (wanted, signal) => {
      const host = plainHost(wanted.host);
      return judged(host, signal, async () => {
        const socket = await bounded.opening(open({ ...wanted, host }), limits.totalMs);
        socket.once('close', () => noteSent(place, purpose, socket.bytesWritten));
        return bounded.socket(socket, limits, signal);
      });
    },
  };
}

async function counted<T>(place: Place, purpose: Purpose, bytes: number, act: () => Promise<T>): Promise<T> {
  try {
    const answer = await act();
    noteSent(place, purpose, bytes);
    return answer;
  } catch (thrown) {
    if (hadLeft(thrown)) noteSent(place, purpose, bytes);
    throw thrown;
  }
}

async function fetched(
  url: URL,
  init: RequestInit,
  limits: EgressLimits,
  dispatcher: Agent,
): Promise<UndiciResponse> {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw egressRefusal('scheme');
  if (url.username || url.password) throw egressRefusal('userinfo');
  const signals = [AbortSignal.timeout(limits.totalMs), ...(init.signal ? [init.signal] : [])];
  // undici's types of a request differ from the platform's in name only.
  const request = { ...init, redirect: 'manual', dispatcher, signal: AbortSignal.any(signals) } as Parameters<
    typeof undiciFetch
  >[1];
  const answer = await undiciFetch(url, request);
  if (answer.status >= 300 && answer.status < 400 && answer.headers.has('location')) {
    await answer.body?.cancel();
    throw egressRefusal('redirect');
  }
  return answer;
}

/** A refusal of the guard, recorded, or how far the world let us come. */
async function told(place: Place, purpose: Purpose, host: string, thrown: unknown): Promise<unknown> {
  const refusal = among(thrown, (cause) => cause instanceof Refusal);
  const reason = refusal && egressReasonOf(refusal);
  if (reason) await record(place, purpose, host, reason);
  if (refusal) return refusal;
  return among(thrown, (cause) => cause instanceof EgressFailure) ?? new EgressFailure('answer', thrown);
}

async function record(place: Place, purpose: Purpose, host: string, reason: EgressReason): Promise<void> {
  const { actor, subject, requestId } = purpose;
  const details = { host: host.slice(0, 253), reason };
  await inTenant(place, ({ sql }) =>
    auditInTenant(sql, { actor, action: 'egress', subject, outcome: 'refused', requestId, details }),
  );
}

type Opening = {
  rules: EgressRules;
  limits: EgressLimits;
  open: (wanted: Wanted) => Promise<Socket>;
  /** A resolver of one's own (tests) shares its connections with nobody. */
  own: boolean;
};

/** Connections are kept for a moment, by tenant and by the rules they were judged by: neither ever uses another's. */
const agents = new LRUCache<string, Agent>({ max: 500, dispose: (agent) => void agent.close() });

function agentOf(tenantId: string, { rules, limits, open, own }: Opening): Agent {
  const key = JSON.stringify([tenantId, rules, limits.idleMs]);
  const kept = own ? undefined : agents.get(key);
  if (kept) return kept;
  const agent = new Agent({
    keepAliveTimeout: 5_000,
    keepAliveMaxTimeout: 30_000,
    headersTimeout: limits.idleMs,
    bodyTimeout: limits.idleMs,
    maxHeaderSize: 32 * 1024,
    connections: 32,
    connect: ({ hostname, port, protocol }, done) => {
      const tls = protocol === 'https:';
      const wanted = { host: plainHost(hostname), port: Number(port) || (tls ? 443 : 80), tls };
      open(wanted).then(
        (socket) => done(null, socket),
        (cause) => done(cause, null),
      );
    },
  });
  if (!own) agents.set(key, agent);
  return agent;
}
