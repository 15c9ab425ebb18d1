import { config } from '../models/databases.ts';
import { keyringOf } from '../models/keyring.ts';
import type { Place, Sql } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { namedProvider } from '../models/tenant/llm-provider.ts';
import { type Reader, readable } from '../models/tenant/readable.ts';
import { sourcesIn } from '../models/tenant/settings.ts';
import { agentFaults } from '../policies/agent-check.ts';
import type { AgentDefinition, AgentTool } from '../policies/agent-definition.ts';
import { type LlmRules, modelAllowed, whyNotAsked } from '../policies/llm-provider.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import { settingsFrom } from '../policies/setting-inheritance.ts';

/** What an agent has to be before it is saved, and before a version of it is published: all faults at once. */
export function insistOnSoundAgent(definition: Pick<AgentDefinition, 'tools' | 'outputSchema'>): void {
  const errors = agentFaults(definition);
  if (errors.length === 0) return;
  throw new Refusal('invalid-request', 'Some of what was sent is not acceptable; each fault is listed.', {
    errors,
  });
}

/** Of a draft that is to be published: also what it names, and what the settings say of it at this moment. */
export async function publishingFaults(
  sql: Sql,
  place: Place,
  reader: Reader,
  { agentId, definition }: { agentId: string; definition: AgentDefinition },
): Promise<Fault[]> {
  const { tools } = definition;
  return [
    ...agentFaults(definition),
    ...(await unknownIn(sql, reader, tools)),
    ...(await modelFaults(sql, place, agentId, definition)),
  ];
}

async function unknownIn(sql: Sql, reader: Reader, tools: readonly AgentTool[]): Promise<Fault[]> {
  const integrations = tools.flatMap((tool) => (tool.kind === 'integration' ? tool.integrationId : []));
  const agents = tools.flatMap((tool) => (tool.kind === 'hand-off' ? tool.agentId : []));
  const missingIntegrations = await unknownIntegrations(sql, reader, integrations);
  const known = new Set((await readable(sql, reader, 'Agent', agents)).map(({ id }) => id));
  return tools.flatMap((tool, index) => {
    if (tool.kind === 'integration' && missingIntegrations.has(tool.integrationId))
      return [
        {
          pointer: `/tools/${index}/integrationId`,
          code: 'unknown',
          detail: missingIntegrations.get(tool.integrationId) ?? '',
        },
      ];
    if (tool.kind === 'hand-off' && !known.has(tool.agentId))
      return [
        { pointer: `/tools/${index}/agentId`, code: 'unknown', detail: `There is no agent ${tool.agentId}.` },
      ];
    return [];
  });
}

/** Only integrations of the kind http can be called as tools. */
export async function unknownIntegrations(
  sql: Sql,
  reader: Reader,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const rows = await readable(sql, reader, 'Integration', ids);
  const kinds = new Map(rows.map(({ id, kind }) => [String(id), kind]));
  return new Map(
    ids
      .filter((id) => kinds.get(id) !== 'http')
      .map((id) => [
        id,
        kinds.has(id)
          ? `${id} is no HTTP integration, so it cannot be called.`
          : `There is no integration ${id}.`,
      ]),
  );
}

async function modelFaults(
  sql: Sql,
  place: Place,
  agentId: string,
  { providerId, model }: Pick<AgentDefinition, 'providerId' | 'model'>,
): Promise<Fault[]> {
  const settings = settingsFrom(await sourcesIn(sql, agentId, () => keyringOf(place)));
  const rules: LlmRules = {
    allowedProviders: settings.get('llm.allowedProviders'),
    allowedModels: settings.get('llm.allowedModels'),
    allowedRegions: settings.get('llm.allowedRegions'),
  };
  if (providerId === undefined) {
    // Which provider will be asked is decided at each call, and with it whether it may be.
    if (modelAllowed(rules, model)) return [];
    return [
      {
        pointer: '/model',
        code: 'not-allowed',
        detail: 'The setting llm.allowedModels does not allow this model.',
      },
    ];
  }
  const provider = await namedProvider(sql, providerId);
  if (!provider)
    return [{ pointer: '/providerId', code: 'unknown', detail: `There is no model provider ${providerId}.` }];
  const { regions } = config();
  const where = await placeOf(place.tenantId);
  const why = whyNotAsked({ ...provider, model: provider.aliases[model] ?? model }, rules, {
    agentId,
    anyAgent: false,
    ownRegion: regions.find(({ name }) => name === where?.region)?.group ?? '',
    knownRegions: regions.map(({ group }) => group),
  });
  return why ? [{ pointer: '/model', code: 'not-allowed', detail: why }] : [];
}
