import { z } from 'zod';
import { operationById, operationList } from '../../models/system/operation.ts';
import { isEnded, type OperationState, operationKinds, operationStates } from '../../policies/operation.ts';
import { Refusal } from '../../policies/refusal.ts';
import { cancelOperation, retryOperation } from '../../temporal/start.ts';
import { changedOperation, currentOperation, whichOperation } from '../operations.ts';
import { platformRead, platformWrite } from '../platform-route.ts';
import { presentOperation, presentPage } from '../present.ts';
import { id, operation, page, pagingBy } from '../shapes.ts';
import { steered } from '../steering.ts';

const tag = 'Operations';
const params = z.strictObject({ operationId: id('op') });

export const listOperations = platformRead({
  method: 'get',
  path: '/operations',
  tag,
  summary: 'List operations, newest first',
  permit: ['read', 'Operation'],
  query: z.strictObject({
    ...pagingBy('op'),
    tenantId: id('ten').optional(),
    kind: z.enum(operationKinds).optional(),
    state: z.enum(operationStates).optional(),
  }),
  answers: { 200: page(operation) },
  load: ({ query }) => operationList(query, query.cursor, query.limit + 1),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentOperation) }),
});

export const readOperation = platformRead({
  method: 'get',
  path: '/operations/:operationId',
  tag,
  summary: 'Follow an operation; with “Prefer: wait=10” the answer comes when something has changed',
  waits: true,
  permit: ['read', 'Operation'],
  params,
  answers: { 200: operation },
  load: ({ params: { operationId } }) => operationById(operationId),
  handle: async ({ row, waitSeconds }) => ({
    status: 200,
    body: waitSeconds > 0 ? await changedOperation(row, waitSeconds) : await currentOperation(row),
  }),
});

export const retryParked = platformWrite({
  method: 'post',
  path: '/operations/:operationId/retry',
  tag,
  summary: 'Set a parked operation going again',
  permit: ['retry', 'Operation'],
  params,
  answers: { 202: operation },
  load: ({ params: { operationId } }) => operationById(operationId),
  handle: async ({ row }) => {
    // The row may lag behind the workflow; only the workflow knows whether it is parked.
    if (isEnded(row.state as OperationState))
      throw new Refusal('conflict', `The operation is ${row.state}; there is nothing to retry.`);
    await steered(retryOperation(whichOperation(row)));
    return { status: 202, body: presentOperation(row), audit: audited(row) };
  },
});

export const cancel = platformWrite({
  method: 'post',
  path: '/operations/:operationId/cancellation',
  tag,
  summary: 'Cancel an operation; what it did is undone',
  permit: ['cancel', 'Operation'],
  params,
  answers: { 202: operation },
  load: ({ params: { operationId } }) => operationById(operationId),
  handle: async ({ row }) => {
    if (isEnded(row.state as OperationState))
      throw new Refusal('conflict', `The operation is ${row.state} already.`);
    await steered(cancelOperation(whichOperation(row)));
    return { status: 202, body: presentOperation(row), audit: audited(row) };
  },
});

const audited = (row: Record<string, unknown>) => ({
  id: String(row.id),
  tenantId: String(row.tenant_id),
  operationId: String(row.id),
});
