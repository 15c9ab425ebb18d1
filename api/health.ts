import type { RequestHandler } from 'express';
import { cellPlatform, config } from '../models/databases.ts';
import { readInSystem, readInTenant } from '../models/scope.ts';
import { systemPlace } from '../models/system/tenant.ts';
import { Refusal } from '../policies/refusal.ts';
import { log } from '../telemetry.ts';
import { reach } from '../temporal/client.ts';
import { requestIdOf, sendProblem } from './serve.ts';

/** Ready means: every part this process needs answers. The answer names the parts that do not. */
type Part = { name: string; ask: () => Promise<unknown> };

function parts(): Part[] {
  const served = config().regions.filter((region) => config().serves.includes(region.name));
  return [
    {
      name: 'system database',
      ask: () => readInSystem('platform', [{ text: 'SELECT count(*) FROM plans', values: [] }]),
    },
    { name: 'system tenant', ask: () => readInTenant(systemPlace(), []) },
    ...served.flatMap((region) =>
      region.cells.map((cell) => ({
        name: `cell ${cell.name} (${region.name})`,
        ask: () => cellPlatform(cell.name).query('SELECT FROM platform.tenant_schemas LIMIT 1'),
      })),
    ),
    { name: 'Temporal', ask: () => reach((client) => client.workflowService.getSystemInfo({})) },
  ];
}

async function missingParts(): Promise<string[]> {
  const asked = await Promise.allSettled(parts().map((part) => part.ask()));
  return parts().flatMap((part, at) => (asked[at]?.status === 'rejected' ? [part.name] : []));
}

export const readiness: RequestHandler = async (request, response) => {
  const missing = await missingParts();
  if (missing.length === 0) {
    response.json({ status: 'ready' });
    return;
  }
  const requestId = requestIdOf(request);
  const refusal = new Refusal('unavailable', `Not ready: ${missing.join(', ')} does not answer.`, {
    retryAfterSeconds: 2,
    extra: { missing },
  });
  sendProblem(response, refusal, { requestId, log });
};
