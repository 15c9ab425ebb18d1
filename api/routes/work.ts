import type { Route } from '../route.ts';
import { exportPackage, importPackage } from './agent-packages.ts';
import { listAgentVersions, makeAgentLive, publishAgent, readAgentVersion } from './agent-versions.ts';
import { changeAgent, listAgents, makeAgent, readAgent, removeAgent } from './agents.ts';
import { decodePayloads, encodePayloads } from './codec.ts';
import { removeIntegration, updateIntegration } from './integration-changes.ts';
import { checkNow, listDeliveries, replay, rotateSecret } from './integration-health.ts';
import { listIntegrations, makeIntegration, readIntegration } from './integrations.ts';
import { listUses, rotateCredential, testProvider } from './llm-provider-use.ts';
import {
  listProviders,
  makeProvider,
  readProvider,
  removeProvider,
  updateProvider,
} from './llm-providers.ts';
import { appendMemory, forgetMemory, forgetPerson, listMemory, readMemory } from './memories.ts';
import { answerRunApproval, listApprovals } from './run-approvals.ts';
import { runEvents } from './run-events.ts';
import { listFirings } from './run-firings.ts';
import { cancelRun, pauseRun, resumeRun, retryRun } from './run-requests.ts';
import {
  changeScheduleRoute,
  listSchedules,
  makeSchedule,
  readSchedule,
  removeScheduleRoute,
} from './run-schedules.ts';
import { listRuns, makeAgentRun, makeRun, readRun } from './runs.ts';
import { deliver, listTriggerDeliveries } from './trigger-deliveries.ts';
import { exchangeTrigger } from './trigger-secrets.ts';
import {
  changeTriggerRoute,
  listTriggers,
  makeTrigger,
  readTrigger,
  removeTriggerRoute,
} from './triggers.ts';
import {
  listWorkflowVersions,
  makeWorkflowLive,
  publishWorkflow,
  readWorkflowVersion,
} from './workflow-versions.ts';
import {
  changeWorkflow,
  checkDefinition,
  checkWorkflow,
  listWorkflows,
  makeWorkflow,
  readWorkflow,
  readWorkflowSchema,
  removeWorkflow,
} from './workflows.ts';

/** Where a tenant does its work: agents, workflows and runs, and what they reach. Literal paths before parameters. */
export const workRoutes: Route[] = [
  readAgent,
  listAgents,
  makeAgent,
  changeAgent,
  removeAgent,
  publishAgent,
  listAgentVersions,
  readAgentVersion,
  makeAgentLive,
  runEvents,
  listSchedules,
  readSchedule,
  makeSchedule,
  changeScheduleRoute,
  removeScheduleRoute,
  listFirings,
  listTriggers,
  readTrigger,
  makeTrigger,
  changeTriggerRoute,
  exchangeTrigger,
  removeTriggerRoute,
  deliver,
  listTriggerDeliveries,
  decodePayloads,
  encodePayloads,
  makeRun,
  makeAgentRun,
  readRun,
  listRuns,
  cancelRun,
  pauseRun,
  resumeRun,
  retryRun,
  listApprovals,
  answerRunApproval,
  listIntegrations,
  readIntegration,
  makeIntegration,
  updateIntegration,
  removeIntegration,
  checkNow,
  rotateSecret,
  listDeliveries,
  replay,
  listProviders,
  readProvider,
  makeProvider,
  updateProvider,
  removeProvider,
  rotateCredential,
  testProvider,
  listUses,
  readWorkflowSchema,
  checkDefinition,
  listWorkflows,
  readWorkflow,
  makeWorkflow,
  changeWorkflow,
  removeWorkflow,
  checkWorkflow,
  publishWorkflow,
  listWorkflowVersions,
  readWorkflowVersion,
  makeWorkflowLive,
  appendMemory,
  listMemory,
  readMemory,
  forgetMemory,
  forgetPerson,
  exportPackage,
  importPackage,
];
