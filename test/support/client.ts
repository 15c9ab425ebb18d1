import { request } from 'node:http';
import { handed } from './environment.ts';

/** A caller of the API over real HTTP. node:http rather than fetch, because fetch ignores a Host header. */
export type Reply<T = Record<string, unknown>> = {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: T;
  text: string;
};

export type Caller = {
  call: <T = Record<string, never>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Reply<T>>;
};

export function callerOf(token?: string, base = handed().shared.url): Caller {
  return {
    call: (method, path, body, headers = {}) =>
      send(base, method, path, body, { ...(token && { authorization: `Bearer ${token}` }), ...headers }),
  };
}

export const operator = (): Caller => callerOf(handed().shared.operatorKey);

export function send<T>(
  base: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply<T>> {
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const text = raw ? body : JSON.stringify(body);
  const url = new URL(path, base);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        headers: {
          ...(text !== undefined && {
            'content-type': 'application/json',
            ...(!headers['transfer-encoding'] && { 'content-length': Buffer.byteLength(text) }),
          }),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const received = Buffer.concat(chunks).toString('utf8');
          const json = incoming.headers['content-type']?.includes('json');
          // What a test expects of the body is asserted by the test.
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: (json && received !== '' ? JSON.parse(received) : {}) as T,
            text: received,
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}
