import type { z } from 'zod';
import { Refusal } from '../../policies/refusal.ts';
import type { Column, Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/** Definitions of agents and workflows as they are kept: sealed, and bound to the row and version they stand in. */
export type Which = number | 'live' | 'draft';
export type Kept = { version: number | null; definition: unknown };

/** What is kept of a thing with versions: its own table, that of its versions, and what it is called in a refusal. */
export type Versioned = {
  table: 'agents' | 'workflows';
  versions: 'agent_versions' | 'workflow_versions';
  key: 'agent_id' | 'workflow_id';
  noun: string;
};
export const agentKind: Versioned = {
  table: 'agents',
  versions: 'agent_versions',
  key: 'agent_id',
  noun: 'agent',
};
export const workflowKind: Versioned = {
  table: 'workflows',
  versions: 'workflow_versions',
  key: 'workflow_id',
  noun: 'workflow',
};

export const draftColumn = (kind: Versioned): Column => `${kind.table}.sealed_definition`;
const versionColumn = (kind: Versioned): Column => `${kind.versions}.sealed_definition`;
export const noteColumn = (kind: Versioned): Column => `${kind.versions}.sealed_note`;
export const versionRow = (id: string, version: number) => `${id}/${version}`;

export const sealVersion = (
  kind: Versioned,
  keyring: Keyring,
  at: { id: string; version: number },
  definition: object,
): Buffer => keyring.seal(versionColumn(kind), versionRow(at.id, at.version), JSON.stringify(definition));

export const openVersion = (
  kind: Versioned,
  keyring: Keyring,
  at: { id: string; version: number },
  sealed: Buffer,
): unknown => JSON.parse(keyring.open(versionColumn(kind), versionRow(at.id, at.version), sealed));

/** A published version by its number, or the one that is live. */
export async function published(
  sql: Sql,
  kind: Versioned,
  keyring: Keyring,
  id: string,
  which: number | 'live',
): Promise<Kept> {
  const [row] = await sql<{ version: number; sealed_definition: Buffer }>(
    `SELECT version, sealed_definition FROM ${kind.versions} WHERE ${kind.key} = $1
     AND version = coalesce($2::int, (SELECT live_version FROM ${kind.table} WHERE id = $1))`,
    [id, which === 'live' ? null : which],
  );
  if (!row) throw notThere(kind, id, which);
  const { version, sealed_definition: sealed } = row;
  return { version, definition: openVersion(kind, keyring, { id, version }, sealed) };
}

export function notThere({ noun, versions }: Versioned, id: string, which: Which): Refusal {
  if (which === 'draft') return new Refusal('not-found', `There is no ${noun} ${id}.`);
  const path = `POST /v1/${noun}s/${id}/versions`;
  return which === 'live'
    ? new Refusal('not-found', `There is no ${noun} ${id} with a live version; ${path} makes one.`)
    : new Refusal('not-found', `There is no version ${which} of the ${noun} ${id} (${versions}).`);
}

/** Definitions were right when they were kept; one that is not any more was written by an older release. */
export function understood<T extends z.ZodType>(shape: T, kept: unknown, what: string): z.output<T> {
  const { success, data, error } = shape.safeParse(kept);
  if (success) return data;
  throw new Refusal(
    'unprocessable',
    `${what} is of a form that is not understood any more; write it again.`,
    { cause: error },
  );
}
