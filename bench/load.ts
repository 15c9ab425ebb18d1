import autocannon from 'autocannon';

/** The load generator, a process of its own: `process.send` answers requests a second, or the statuses that were wrong. */
export type Asked = {
  path: string;
  token?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, and then by POST. */
  body?: object;
};
export type Load = { url: string; paths: Asked[]; connections: number; seconds: number };
export type Loaded = { perSecond: number; p50: number; p99: number; failed: number };

process.on('message', async ({ url, paths, connections, seconds }: Load) => {
  const result = await autocannon({ url, connections, duration: seconds, requests: paths.map(requestOf) });
  const loaded: Loaded = {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors,
  };
  process.send?.(loaded);
});

function requestOf({ path, token, headers, body }: Asked): autocannon.Request {
  return {
    path,
    headers: {
      ...headers,
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  };
}
