/** The list of bench/list.ts as somebody would write it who knows the rules of that one role. */
export const shownMax = 50;

export const handWritten = (schema: string) =>
  `SELECT id, name, description, instructions, model, tags, environment, owner_id, version, created_at, updated_at
   FROM ${schema}.agents
   WHERE (owner_id = $1 OR tags && '{tag-7}') AND environment <> 'development' ORDER BY id DESC LIMIT ${shownMax + 1}`;
