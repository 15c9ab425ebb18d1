import { createServer, type Server } from 'node:http';
import { metrics } from './telemetry.ts';

/** /metrics and /readyz on a port of their own, apart from what customers reach. */
export async function serveMetrics(host: string, port: number, ready: () => boolean): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('Content-Type', metrics.contentType).end(await metrics.metrics());
      return;
    }
    const status = request.url === '/readyz' ? (ready() ? 200 : 503) : 404;
    response
      .writeHead(status, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ ready: status === 200 }));
  });
  server.listen(port, host);
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  return server;
}
