import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import type { OperationKind } from '../policies/operation.ts';

/** Keywords by which operators find a workflow in Temporal. Never tenant data: they are not encrypted. */
export const operationIdKey = defineSearchAttributeKey('operationId', 'KEYWORD');
export const operationStateKey = defineSearchAttributeKey('operationState', 'KEYWORD');
const tenantIdKey = defineSearchAttributeKey('tenantId', 'KEYWORD');
const regionKey = defineSearchAttributeKey('region', 'KEYWORD');
const operationKindKey = defineSearchAttributeKey('operationKind', 'KEYWORD');

export const searchAttributeKeys = [
  tenantIdKey,
  regionKey,
  operationIdKey,
  operationKindKey,
  operationStateKey,
];

/** Of runs: no more than whose it is. */
const runIdKey = defineSearchAttributeKey('runId', 'KEYWORD');
export const runAttributeKeys = [tenantIdKey, regionKey, runIdKey];

export function runAttributesOf({
  tenantId,
  region,
  runId,
}: {
  tenantId: string;
  region: string;
  runId: string;
}): SearchAttributePair[] {
  return [
    { key: tenantIdKey, value: tenantId },
    { key: regionKey, value: region },
    { key: runIdKey, value: runId },
  ];
}

type Operation = { tenantId: string; region: string; operationId: string; kind: OperationKind };

export function attributesOf({ tenantId, region, operationId, kind }: Operation): SearchAttributePair[] {
  return [
    { key: tenantIdKey, value: tenantId },
    { key: regionKey, value: region },
    { key: operationIdKey, value: operationId },
    { key: operationKindKey, value: kind },
    { key: operationStateKey, value: 'running' },
  ];
}
