import { createTransport } from 'nodemailer';
import { CheckFailed, type Connection } from './connection.ts';

const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 15_000 };

/** A tenant's own mail server, over a guarded socket; nothing secret is said before TLS. */
function smtpTransport({ target, credentials: [pass], egress }: Connection<'smtp'>) {
  const { host, port, tls, username: user } = target;
  const secure = tls === 'immediate';
  return createTransport({
    host,
    port,
    secure,
    requireTLS: true,
    auth: { user, pass },
    tls: { rejectUnauthorized: true },
    ...timeouts,
    getSocket: (_options, done) => {
      egress.connect({ host, port, tls: secure ? true : 'starttls' }).then(
        (connection) => done(null, { connection, secured: secure }),
        (cause) => done(cause instanceof Error ? cause : new Error(String(cause)), false),
      );
    },
  });
}

export async function checkSmtp(connection: Connection<'smtp'>): Promise<void> {
  const transport = smtpTransport(connection);
  try {
    await transport.verify();
  } catch (cause) {
    const { code, originalCode } = cause as { code?: string; originalCode?: string }; // as nodemailer throws
    if (code === 'EAUTH') throw new CheckFailed('auth', undefined, cause);
    if (code === 'ETLS' || /CERT|TLS|SSL/.test(originalCode ?? ''))
      throw new CheckFailed('tls', undefined, cause);
    throw cause;
  } finally {
    transport.close();
  }
}
