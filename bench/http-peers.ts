import express from 'express';
import pg from 'pg';
import { schemaOf } from '../models/ids.ts';
import { digest } from '../models/secrets.ts';
import { handWritten } from './hand-written.ts';

/**
 * What the product is compared with over HTTP, in a process of its own: `/hello` is the floor. `/v1/agents/…` is the
 * same read written plainly by hand, with the wall (role, context) but no token checksum, throttle, CASL, shapes,
 * request id, log or metrics: BEGIN, context, key look-up, row and COMMIT, pipelined on one connection.
 */
type Given = { urls: Record<string, string> };

const pools = new Map<string, pg.Pool>();
function poolAt(connectionString: string): pg.Pool {
  const pool = pools.get(connectionString) ?? new pg.Pool({ connectionString, max: 6, pipeline: true });
  pools.set(connectionString, pool);
  return pool;
}

process.once('message', ({ urls }: Given) => {
  const app = express();
  app.disable('x-powered-by');
  app.get('/hello/:id', (_request, response) => {
    response.json({ ok: true });
  });
  app.get('/v1/agents/:id', async (request, response) => {
    const token = String(request.headers.authorization).slice('Bearer '.length);
    const tenantId = `ten_${token.slice('fh_key_'.length, 'fh_key_'.length + 26)}`;
    const row = await read(poolAt(urls[tenantId] ?? ''), tenantId, digest(token), request.params.id);
    if (row) response.json(row);
    else response.status(404).end();
  });
  app.get('/v1/agents', async (request, response) => {
    const token = String(request.headers.authorization).slice('Bearer '.length);
    const tenantId = `ten_${token.slice('fh_ses_'.length, 'fh_ses_'.length + 26)}`;
    response.json(await list(poolAt(urls[tenantId] ?? ''), tenantId, digest(token)));
  });
  const server = app.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.(typeof address === 'object' && address ? address.port : 0);
  });
});

async function read(pool: pg.Pool, tenantId: string, hash: string, id: string): Promise<unknown> {
  const schema = schemaOf(tenantId);
  const client = await pool.connect();
  try {
    const [, key, agent] = await Promise.all([
      client.query(`BEGIN;SET LOCAL ROLE ${schema};SELECT set_config('app.tenant','${tenantId}',true)`),
      client.query({
        name: `k${schema}`,
        text: `SELECT k.id, string_agg(a.role, ' ') AS roles FROM ${schema}.api_keys k
               JOIN ${schema}.role_assignments a ON a.principal_id = k.id WHERE k.token_hash = $1 GROUP BY k.id`,
        values: [hash],
      }),
      client.query({
        name: `a${schema}`,
        text: `SELECT id, name, description, instructions, model, tags, owner_id, version, created_at, updated_at
               FROM ${schema}.agents WHERE id = $1`,
        values: [id],
      }),
      client.query('COMMIT'),
    ]);
    return key.rows[0]?.roles ? agent.rows[0] : undefined;
  } finally {
    client.release();
  }
}

/** The list of bench/list.ts as the administrator, for whoever has this session. */
async function list(pool: pg.Pool, tenantId: string, hash: string): Promise<unknown> {
  const schema = schemaOf(tenantId);
  const session = await pool.query({
    name: `s${schema}`,
    text: `SELECT u.id FROM ${schema}.sessions s JOIN ${schema}.users u ON u.id = s.user_id
           WHERE s.token_hash = $1 AND s.expires_at > now() AND u.state = 'active'`,
    values: [hash],
  });
  const agents = await pool.query({
    name: `l${schema}`,
    text: handWritten(schema),
    values: [session.rows[0]?.id],
  });
  return { items: agents.rows };
}
