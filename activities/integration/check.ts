import { TLSSocket } from 'node:tls';
import { plainHost } from '../../policies/egress.ts';
import { type Stage, type Verdict, verdictsOf } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import { among, EgressFailure } from '../egress/failure.ts';
import type { Wanted } from '../egress/socket.ts';
import { CheckFailed, type Connection, isKind } from './connection.ts';
import { checkHttp } from './http.ts';
import { checkS3 } from './s3.ts';
import { checkSlack } from './slack.ts';
import { checkSmtp } from './smtp.ts';
import { checkWebhook } from './webhook.ts';

/**
 * Whether an integration works, in stages: name, address, connection, TLS, credential, permission, answer. The verdict is
 * coarse on purpose: whoever may save an address must not be able to read what lies behind it.
 */
export type Checked = { verdicts: Verdict[]; certificateUntil: Date | null };

export async function checkIntegration(connection: Connection): Promise<Checked> {
  let certificateUntil: Date | null = null;
  const skipped: Stage[] = connection.kind === 'smtp' ? ['permission', 'answer'] : [];
  try {
    const wanted = wantedOf(connection);
    if (wanted.tls === false) skipped.push('tls');
    certificateUntil = await certificateAt(connection, wanted);
    await tried(connection);
    return { verdicts: verdictsOf(undefined, skipped), certificateUntil };
  } catch (thrown) {
    return { verdicts: verdictsOf(failureOf(thrown), skipped), certificateUntil };
  }
}

function wantedOf(connection: Connection): Wanted {
  if (isKind(connection, 'smtp')) {
    const { host, port, tls } = connection.target;
    return { host, port, tls: tls === 'immediate' ? true : 'starttls' };
  }
  const url = new URL('url' in connection.target ? connection.target.url : connection.credentials[0]);
  const tls = url.protocol === 'https:';
  return { host: plainHost(url.hostname), port: Number(url.port) || (tls ? 443 : 80), tls };
}

/** Connects once for itself, to see how long the certificate is good for. */
async function certificateAt({ egress }: Connection, wanted: Wanted): Promise<Date | null> {
  const socket = await egress.connect(wanted);
  try {
    if (!(socket instanceof TLSSocket)) return null;
    return new Date(socket.getPeerCertificate().valid_to);
  } finally {
    socket.destroy();
  }
}

async function tried(connection: Connection): Promise<void> {
  if (isKind(connection, 'http')) return checkHttp(connection);
  if (isKind(connection, 'webhook')) return checkWebhook(connection);
  if (isKind(connection, 's3')) return checkS3(connection);
  if (isKind(connection, 'smtp')) return checkSmtp(connection);
  if (isKind(connection, 'slack')) return checkSlack(connection);
}

function failureOf(thrown: unknown): { stage: Stage; detail?: string | undefined } {
  const failed = among(thrown, (cause) => cause instanceof CheckFailed);
  if (failed) return { stage: failed.stage, detail: failed.detail };
  const refusal = among(thrown, (cause) => cause instanceof Refusal);
  if (refusal) return { stage: 'address', detail: refusal.message };
  const failure = among(thrown, (cause) => cause instanceof EgressFailure);
  return { stage: failure?.stage ?? 'answer' };
}
