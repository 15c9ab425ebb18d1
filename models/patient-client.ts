import type { Socket } from 'node:net';
import pg from 'pg';

/**
 * A connection that does not wait for a server that hangs. A live server ends a statement that takes longer than
 * `statement_timeout` by itself and says so; one that has been asked something and says nothing a second later is
 * stopped, swapping or cut off, and TCP alone would let its callers wait for minutes. The connection is destroyed:
 * what was asked on it fails as unavailable, a transaction is rolled back, and pools replace it. The one thing nobody
 * can know is what became of a COMMIT on the wire: an Idempotency-Key makes asking again safe.
 */
const graceMs = 1_000;

export type PatientConfig = pg.ClientConfig & { statement_timeout: number };

export class PatientClient extends pg.Client {
  constructor(config: PatientConfig) {
    super(config);
    const { statement_timeout: statementMs } = config;
    // What was asked fails by itself. A connection that is lost in the moment between its handshake and its owner's own
    // listener would end the process.
    this.on('error', () => {});
    // After the handshake, which has a time of its own: under TLS the stream is another one from then on.
    this.once('connect', () => {
      const stream = this.connection.stream as Socket; // or the TLSSocket around it, which is one
      // Node counts from the last byte either way, and starts anew with the next.
      stream.setTimeout(statementMs + graceMs);
      // Not as an argument of setTimeout, which is told once: the first time may be while nothing is asked.
      stream.on('timeout', () => {
        if (this.isAsked()) stream.destroy(new Error('Connection terminated: the server hangs'));
      });
    });
  }

  private isAsked(): boolean {
    // pg keeps this up to date with every ReadyForQuery; its types do not name it.
    return !(this as unknown as { readyForQuery: boolean }).readyForQuery;
  }
}
