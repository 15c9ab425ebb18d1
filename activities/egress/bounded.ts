import type { Socket } from 'node:net';
import type { Response as UndiciResponse } from 'undici';
import { egressRefusal } from '../../policies/egress.ts';
import { EgressFailure } from './failure.ts';

/** What comes back is counted as it is read, after decompression: a small answer that unpacks to a large one is large. */
type SocketLimits = { totalMs: number; idleMs: number; responseBytesMax: number };

const withoutBody = new Set([101, 204, 205, 304]);
const lookEveryMs = 250;

export const bounded = {
  /** `tooLarge` is told before whoever reads it. */
  response(answer: UndiciResponse, bytesMax: number, tooLarge: () => Promise<void>): Response {
    const { status, statusText } = answer;
    const headers = new Headers([...answer.headers]);
    if (!answer.body || withoutBody.has(status)) return new Response(null, { status, statusText, headers });
    // What it was packed in is unpacked by now, so what these say is no longer true.
    headers.delete('content-encoding');
    headers.delete('content-length');
    return new Response(counted(answer.body.getReader(), bytesMax, tooLarge), {
      status,
      statusText,
      headers,
    });
  },

  /** What is still being opened when the time is up is closed as soon as it is there. */
  opening(socket: Promise<Socket>, totalMs: number): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const timeout = Object.assign(new Error('the time for connecting is up'), { code: 'ETIMEDOUT' });
    const late = setTimeout(() => {
      reject(new EgressFailure('reach', timeout));
      socket.then(
        (opened) => opened.destroy(),
        () => {},
      );
    }, totalMs);
    socket.then(resolve, reject).finally(() => clearTimeout(late));
    return promise;
  },

  /** The same for a socket that is handed on: it ends when the time is up, when it is silent, or when too much came. */
  socket(socket: Socket, { totalMs, idleMs, responseBytesMax }: SocketLimits, signal?: AbortSignal): Socket {
    const end = (why: string) => socket.destroy(Object.assign(new Error(why), { code: 'ETIMEDOUT' }));
    const late = setTimeout(() => end('the time for this connection is up'), totalMs).unref();
    const watch = setInterval(() => {
      if (socket.bytesRead > responseBytesMax) end('more was sent than is accepted');
    }, lookEveryMs).unref();
    const abort = () => end('called off');
    signal?.addEventListener('abort', abort, { once: true });
    socket.setTimeout(idleMs, () => end('silent for too long'));
    socket.once('close', () => {
      clearTimeout(late);
      clearInterval(watch);
      signal?.removeEventListener('abort', abort);
    });
    return socket;
  },
};

function counted(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  bytesMax: number,
  tooLarge: () => Promise<void>,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  const next = async () => {
    try {
      return await reader.read();
    } catch (cause) {
      throw new EgressFailure('answer', cause);
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await next();
        if (done) return controller.close();
        bytes += value.byteLength;
        if (bytes <= bytesMax) return controller.enqueue(value);
        await reader.cancel();
        await tooLarge();
        controller.error(egressRefusal('size'));
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
