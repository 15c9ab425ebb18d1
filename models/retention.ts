import type { DataClass } from '../policies/data-class.ts';
import type { SettingKey } from '../policies/settings.ts';
import { unheld } from './tenant/legal-hold.ts';
import { retainedUsage } from './usage-retained.ts';

/**
 * Every kind of thing that is deleted when its time is over: one row each, and whoever adds a table of such things adds
 * a row. Names are of the tenant's own tables, and SQL of ours alone.
 */
export type Retained = {
  class: DataClass;
  table: string;
  /** What a receipt names it by. */
  id: string;
  /** From when on its days are counted; a row without it is not over yet. */
  since: string;
  /** How many days: what a setting says, or what nobody can change. */
  days: Extract<SettingKey, `retention.${string}`> | number;
  /**
   * Whose it is, for legal holds: expressions, any of which may be the subject held. With the table's name, for a bare
   * one would be the hold's own column.
   */
  subjects: string[];
};

export const retained: Retained[] = [
  {
    class: 'sessions',
    table: 'sessions',
    id: 'id',
    since: 'expires_at',
    days: 'retention.sessionDays',
    subjects: ['sessions.user_id'],
  },
  {
    class: 'sign-ins',
    table: 'sign_in_failures',
    id: 'key',
    since: 'since',
    days: 'retention.signInDays',
    // Counted under a keyed hash: nobody can say whose it is, so a hold on anybody holds it.
    subjects: [],
  },
  {
    class: 'sign-ins',
    table: 'sign_in_places',
    id: "user_id || '/' || place",
    since: 'last_at',
    days: 'retention.signInDays',
    subjects: ['sign_in_places.user_id'],
  },
  {
    class: 'sign-ins',
    table: 'password_resets',
    id: 'id',
    since: 'expires_at',
    days: 'retention.signInDays',
    subjects: ['password_resets.user_id'],
  },
  {
    class: 'invitations',
    table: 'invitations',
    id: 'id',
    since: "CASE WHEN state <> 'pending' THEN coalesce(ended_at, accepted_at, expires_at) END",
    days: 'retention.invitationDays',
    subjects: ['invitations.user_id'],
  },
  {
    class: 'answers',
    table: 'idempotency_keys',
    id: "principal || ' ' || route || ' ' || key",
    since: 'created_at',
    days: 1,
    subjects: ['idempotency_keys.principal'],
  },
  {
    class: 'audit',
    table: 'audit_events',
    id: 'id',
    since: 'at',
    days: 'retention.auditDays',
    subjects: ['audit_events.subject_id', "audit_events.actor ->> 'id'"],
  },
  {
    class: 'runs',
    table: 'runs',
    id: 'id',
    since: 'ended_at',
    days: 'retention.runDays',
    subjects: ['runs.owner_id', "runs.principal ->> 'id'"],
  },
  {
    class: 'runs',
    table: 'trigger_deliveries',
    id: 'id',
    since: 'received_at',
    days: 'retention.runDays',
    subjects: [],
  },
  {
    class: 'runs',
    table: 'run_schedule_firings',
    id: 'id',
    since: 'fired_at',
    days: 'retention.runDays',
    subjects: [],
  },
  {
    class: 'runs',
    table: 'llm_uses',
    id: 'seq::text',
    since: 'at',
    days: 'retention.runDays',
    subjects: ['llm_uses.principal_id'],
  },
  {
    class: 'runs',
    table: 'integration_uses',
    id: 'id::text',
    since: 'at',
    days: 'retention.runDays',
    subjects: ['integration_uses.principal_id'],
  },
  {
    class: 'memory',
    table: 'memories',
    id: 'id',
    since: 'coalesce(expires_at - make_interval(days => $1), created_at)',
    days: 'retention.memoryDays',
    // Whose it is, is sealed: a hold on anybody's memory holds it.
    subjects: [],
  },
  {
    class: 'webhooks',
    table: 'webhook_deliveries',
    id: 'id',
    since: "CASE WHEN state <> 'pending' THEN coalesce(ended_at, created_at) END",
    days: 'retention.webhookDays',
    subjects: [],
  },
  ...retainedUsage,
];

/**
 * Deletes what is over, a batch at a time, and says what it was. The hold is asked in the same statement; with whoever
 * makes holds it takes turns. $1 are the days, $2 how many at most.
 */
export function deletionSql({ class: kind, table, id, since, subjects }: Retained): string {
  return `WITH over AS MATERIALIZED (
      SELECT ctid AS over_at FROM ${table} WHERE (${since}) < now() - make_interval(days => $1)
        AND ${unheld(kind, subjects)}
      ORDER BY (${since}) LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM ${table} USING over WHERE ${table}.ctid = over.over_at
    RETURNING ${id} AS id, (${since}) AS at`;
}

export const nameOf = ({ table }: Retained): string => table.replaceAll('_', '-');
