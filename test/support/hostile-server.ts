import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';

/** Answers that are meant to hurt whoever calls: redirects inwards, bombs, and answers that never end. */
const bomb = gzipSync(Buffer.alloc(50_000_000));

export const hostile =
  (reached: () => void): RequestListener =>
  (request, response) => {
    reached();
    const { url = '' } = request;
    if (url === '/away') response.writeHead(302, { location: 'http://127.0.0.2/secret' }).end();
    else if (url === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    else if (url === '/huge') response.end(Buffer.alloc(1_000_000));
    else if (url === '/drip') {
      const dripping = setInterval(() => response.write('.'), 100);
      request.once('close', () => clearInterval(dripping));
    } else if (url !== '/hang') response.end('hello');
  };
