import { schemaOf } from '../ids.ts';
import { type Place, readInTenant } from '../scope.ts';

/**
 * What there is to do for the meter, asked in one round trip: each minute of every organisation, most of which have
 * done nothing since.
 */
export type UsageDue = {
  /** Notes that nobody has folded. */
  fold: boolean;
  /** Reservations of acts that are over, one way or the other. */
  expire: boolean;
  /**
   * Crossings and restrictions that may be over, mails that are left, what may have crossed a threshold without being used,
   * and what was used this hour, which may be far more than ever.
   */
  watch: boolean;
};

/** What counts, or limits, by being there: whatever was changed since the schedule came by, and a little before. */
const changedLately = (schema: string): string =>
  ['quotas.updated_at', 'agents.created_at', 'users.updated_at', 'invitations.issued_at']
    .map((each) => each.split('.'))
    .map(
      ([table, column]) =>
        `EXISTS (SELECT FROM ${schema}.${table} WHERE ${column} > now() - interval '3 minutes')`,
    )
    .join(' OR ');

export async function usageDue({ tenantId, ...place }: Place): Promise<UsageDue> {
  const schema = schemaOf(tenantId);
  const [[row] = []] = await readInTenant({ tenantId, ...place }, [
    {
      text: `SELECT EXISTS (SELECT FROM ${schema}.usage_outbox) AS fold,
               EXISTS (SELECT FROM ${schema}.quota_reservations WHERE state = 'held' AND expires_at <= now()) AS expire,
               EXISTS (SELECT FROM ${schema}.quota_crossings WHERE resolved_at IS NULL)
                 OR EXISTS (SELECT FROM ${schema}.notifications WHERE mail = 'pending')
                 OR EXISTS (SELECT FROM ${schema}.usage_restrictions WHERE ended_at IS NULL)
                 OR EXISTS (SELECT FROM ${schema}.usage_restrictions WHERE NOT runs_told AND measure IN ('queue', 'stop'))
                 OR EXISTS (SELECT FROM ${schema}.usage_hours WHERE hour = date_bin('1 hour', now(), 'epoch'))
                 OR ${changedLately(schema)} AS watch`,
      values: [],
    },
  ]);
  return { fold: row?.fold === true, expire: row?.expire === true, watch: row?.watch === true };
}
