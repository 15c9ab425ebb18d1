import type { Connection } from 'pg';
import pg from 'pg';

/**
 * Several statements in one round trip and one implicit transaction: everything between two Sync messages of the
 * extended protocol commits or fails together. That is what an authorised read costs here: context, credential and
 * row, once over the wire. Measured against BEGIN … COMMIT pipelined as five statements: see `npm run bench -- read`.
 */
export type Statement = { text: string; values: (string | number | null)[] };
export type Row = Record<string, unknown>;

/** Locks what is read, so that what was just judged is still so when it is changed. */
export function forUpdate(statement: Statement): Statement {
  return { ...statement, text: `${statement.text} FOR UPDATE` };
}

type Plan = { name: string; columns?: { name: string; parse: (text: string) => unknown }[] };

/** What pg's Connection offers beyond its published types, as pg-cursor uses it. */
export type Wire = Connection & {
  parse(query: { name: string; text: string }): void;
  bind(config: { statement: string; values: unknown[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(config: Record<string, never>): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
  stream: { cork(): void; uncork(): void };
};

// A backend keeps about 35 kB for each prepared statement and never gives it back.
const preparedMax = 200;

/**
 * The statements one connection has prepared, under their own text. One counts as prepared only when the batch that
 * brought it has succeeded: until then others send theirs without a name, for they would fail with it.
 */
export class Prepared {
  private readonly plans = new Map<string, Plan>();
  private readonly underWay = new Set<string>();
  private names = 0;

  planFor(wire: Wire, text: string): Plan {
    const known = this.plans.get(text);
    if (known) {
      // Re-inserted so that the map's order is the order of use.
      this.plans.delete(text);
      this.plans.set(text, known);
      return known;
    }
    const plan = { name: this.underWay.has(text) ? '' : `b${this.names++}` };
    this.underWay.add(text);
    wire.parse({ name: plan.name, text });
    return plan;
  }

  succeeded(text: string, plan: Plan): void {
    if (plan.name === '' || this.plans.has(text)) return;
    this.underWay.delete(text);
    this.plans.set(text, plan);
  }

  forgetOldest(wire: Wire): void {
    for (const [text, { name }] of this.plans) {
      if (this.plans.size <= preparedMax) return;
      this.plans.delete(text);
      wire.close({ type: 'S', name });
    }
  }
}

type Caller = { whose: string; resolve: (results: Row[][]) => void; reject: (error: Error) => void };

/** One caller's statements on their way; the connection tells it of the answers, message by message. */
export class Batch {
  readonly whose: string;
  private readonly statements: Statement[];
  private readonly resolve: Caller['resolve'];
  readonly reject: (error: Error) => void;
  private readonly results: Row[][] = [];
  private plans: Plan[] = [];
  private current: Row[] = [];

  constructor(statements: Statement[], { whose, resolve, reject }: Caller) {
    this.statements = statements;
    this.whose = whose;
    this.resolve = resolve;
    this.reject = reject;
  }

  send(wire: Wire, prepared: Prepared): void {
    this.plans = this.statements.map(({ text, values }) => {
      const plan = prepared.planFor(wire, text);
      wire.bind({
        statement: plan.name,
        values: values.map((value) => (value === null ? null : String(value))),
      });
      if (!plan.columns) wire.describe({ type: 'P', name: '' });
      wire.execute({});
      return plan;
    });
    prepared.forgetOldest(wire);
    wire.sync();
  }

  describe(fields: { name: string; dataTypeID: number }[]): void {
    const plan = this.plans[this.results.length];
    if (!plan) return;
    plan.columns = fields.map((field) => ({
      name: field.name,
      parse: pg.types.getTypeParser(field.dataTypeID, 'text'),
    }));
  }

  row(fields: (string | null)[]): void {
    const row: Row = {};
    const columns = this.plans[this.results.length]?.columns ?? [];
    for (const [at, column] of columns.entries()) {
      const text = fields[at];
      row[column.name] = text === null || text === undefined ? null : column.parse(text);
    }
    this.current.push(row);
  }

  statementDone(): void {
    this.results.push(this.current);
    this.current = [];
  }

  succeed(prepared: Prepared): void {
    for (const [at, { text }] of this.statements.entries()) {
      const plan = this.plans[at];
      if (plan) prepared.succeeded(text, plan);
    }
    this.resolve(this.results);
  }
}
