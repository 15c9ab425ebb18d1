import type { Connection, PoolClient, Submittable } from 'pg';
import pg from 'pg';

/**
 * Several statements in one round trip and one implicit transaction: everything between two Sync messages of the
 * extended protocol commits or fails together. That is what an authorised read costs here: context, credential and
 * row, once over the wire. Measured against BEGIN … COMMIT pipelined as five statements: see `npm run bench -- read`.
 *
 * Statements are prepared once per connection under their own text and forgotten again past `preparedMax`, because
 * a backend keeps about 35 kB for each and never gives it back.
 */
export type Statement = { text: string; values: (string | number | null)[] };
export type Row = Record<string, unknown>;

const preparedMax = 200;

type Field = { name: string; dataTypeID: number };
type Prepared = { name: string; columns?: { name: string; parse: (text: string) => unknown }[] };

const preparedBy = new WeakMap<Connection, Map<string, Prepared>>();
let names = 0;

/** What pg's Connection offers beyond its published types, as pg-cursor uses it. */
type Wire = Connection & {
  parse(query: { name: string; text: string }): void;
  bind(config: { statement: string; values: unknown[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(config: Record<string, never>): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
  stream: { cork(): void; uncork(): void };
};

class Batch implements Submittable {
  readonly results: Row[][] = [];
  private readonly statements: Statement[];
  private readonly settle: (error?: Error) => void;
  private plans: Prepared[] = [];
  private current: Row[] = [];
  private failed: Error | undefined;

  constructor(statements: Statement[], settle: (error?: Error) => void) {
    this.statements = statements;
    this.settle = settle;
  }

  submit(connection: Connection): void {
    // pg hands its own connection; the methods above exist on it and are what pg-cursor calls.
    const wire = connection as Wire;
    const known = preparedBy.get(connection) ?? new Map<string, Prepared>();
    preparedBy.set(connection, known);
    wire.stream.cork();
    this.plans = this.statements.map((statement) => send(wire, known, statement));
    forgetOldest(wire, known);
    wire.sync();
    wire.stream.uncork();
  }

  handleRowDescription(message: { fields: Field[] }): void {
    const plan = this.plans[this.results.length];
    if (!plan) return;
    plan.columns = message.fields.map((field) => ({
      name: field.name,
      parse: pg.types.getTypeParser(field.dataTypeID, 'text'),
    }));
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    const row: Row = {};
    const columns = this.plans[this.results.length]?.columns ?? [];
    for (const [at, column] of columns.entries()) {
      const text = message.fields[at];
      row[column.name] = text === null || text === undefined ? null : column.parse(text);
    }
    this.current.push(row);
  }

  handleCommandComplete(): void {
    this.results.push(this.current);
    this.current = [];
  }

  handleError(error: Error): void {
    this.failed ??= error;
    this.settle(this.failed);
  }

  handleReadyForQuery(): void {
    if (!this.failed) this.settle();
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete();
  }

  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}

function send(wire: Wire, known: Map<string, Prepared>, { text, values }: Statement): Prepared {
  let prepared = known.get(text);
  if (prepared) {
    // Re-inserted so that the map's order is the order of use.
    known.delete(text);
  } else {
    prepared = { name: `b${names++}` };
    wire.parse({ name: prepared.name, text });
  }
  known.set(text, prepared);
  wire.bind({
    statement: prepared.name,
    values: values.map((value) => (value === null ? null : String(value))),
  });
  if (!prepared.columns) wire.describe({ type: 'P', name: '' });
  wire.execute({});
  return prepared;
}

function forgetOldest(wire: Wire, known: Map<string, Prepared>): void {
  for (const [text, { name }] of known) {
    if (known.size <= preparedMax) return;
    known.delete(text);
    wire.close({ type: 'S', name });
  }
}

/**
 * Runs the statements in order in one transaction and answers their rows. After an error the connection is to be
 * thrown away: which of its new statements the server still knows is not worth finding out.
 */
export function runBatch(client: PoolClient, statements: Statement[]): Promise<Row[][]> {
  return new Promise((resolve, reject) => {
    const batch = new Batch(statements, (error) => (error ? reject(error) : resolve(batch.results)));
    client.query(batch);
  });
}
