/**
 * Every column that is sealed under its tenant's key, in one list: rotation seals them anew and counts what is left
 * under an old version, `GET /v1/encryption-key` shows the counts, and test/models/sealed-columns.test.ts compares the
 * list with the columns there are. A table with such a column appends its row here and nothing else.
 */
export type SealedColumn = {
  table: string;
  column: string;
  /** The text a value is bound to (the `row` of the keyring), as SQL over the table's columns; unique in the table. */
  row: string;
};

/**
 * Payloads of runs are sealed as well, in Temporal's histories, where they stay for this long after a run has ended; no
 * rotation reaches them there. Until then an old version is kept for opening.
 */
export const keptOpenDays = 7;

export const sealedColumns: readonly SealedColumn[] = [
  { table: 'users', column: 'sealed_email', row: 'id' },
  { table: 'users', column: 'sealed_name', row: 'id' },
  { table: 'second_factors', column: 'sealed', row: 'user_id' },
  { table: 'idempotency_keys', column: 'sealed_body', row: "principal || ' ' || route || ' ' || key" },
  { table: 'audit_events', column: 'sealed_details', row: 'id' },
  { table: 'llm_credentials', column: 'secret_sealed', row: "provider_id || '/' || number" },
  { table: 'setting_versions', column: 'sealed_document', row: 'number::text' },
  { table: 'scheduled_settings', column: 'sealed_changes', row: 'id' },
  { table: 'integrations', column: 'credential_sealed', row: 'id' },
  { table: 'integrations', column: 'previous_sealed', row: 'id' },
  { table: 'integrations', column: 'token_sealed', row: 'id' },
  { table: 'agents', column: 'sealed_definition', row: 'id' },
  { table: 'workflows', column: 'sealed_definition', row: 'id' },
  { table: 'agent_versions', column: 'sealed_definition', row: "agent_id || '/' || version" },
  { table: 'agent_versions', column: 'sealed_note', row: "agent_id || '/' || version" },
  { table: 'workflow_versions', column: 'sealed_definition', row: "workflow_id || '/' || version" },
  { table: 'workflow_versions', column: 'sealed_note', row: "workflow_id || '/' || version" },
  { table: 'memories', column: 'sealed_text', row: 'id' },
  { table: 'memories', column: 'sealed_subject', row: 'id' },
  { table: 'runs', column: 'sealed_plan', row: 'id' },
  { table: 'runs', column: 'sealed_input', row: 'id' },
  { table: 'runs', column: 'sealed_output', row: 'id' },
  { table: 'runs', column: 'sealed_labels', row: 'id' },
  { table: 'runs', column: 'sealed_refusal', row: 'id' },
  { table: 'run_steps', column: 'sealed_input', row: "run_id || '/' || path" },
  { table: 'run_steps', column: 'sealed_output', row: "run_id || '/' || path" },
  { table: 'run_steps', column: 'sealed_refusal', row: "run_id || '/' || path" },
  { table: 'run_events', column: 'sealed_data', row: "run_id || '/' || seq" },
  { table: 'run_approvals', column: 'sealed_question', row: "run_id || '/' || path" },
  { table: 'run_approvals', column: 'sealed_comment', row: "run_id || '/' || path" },
  { table: 'run_schedules', column: 'sealed_input', row: 'id' },
  { table: 'run_schedules', column: 'sealed_labels', row: 'id' },
  { table: 'triggers', column: 'sealed_secret', row: 'id' },
  { table: 'triggers', column: 'sealed_previous_secret', row: 'id' },
  { table: 'triggers', column: 'sealed_input', row: 'id' },
  { table: 'triggers', column: 'sealed_labels', row: 'id' },
  { table: 'quota_requests', column: 'sealed_reason', row: 'id' },
];
