import type { AgentDefinition, AgentTool } from './agent-definition.ts';
import { schemaFaults } from './json-schema.ts';
import type { Fault } from './refusal.ts';

/**
 * What can be wrong with an agent by itself; what it names is looked up elsewhere (api/agent-rules.ts). Agents may hand
 * work round in a circle: `limits.depth` of the run ends it.
 */
export function agentFaults({
  tools,
  outputSchema,
}: Pick<AgentDefinition, 'tools' | 'outputSchema'>): Fault[] {
  return [
    ...tools.flatMap((tool, index) => toolFaults(tool, `/tools/${index}`)),
    ...tools.flatMap(({ name }, index) =>
      tools.findIndex((other) => other.name === name) === index
        ? []
        : [
            {
              pointer: `/tools/${index}/name`,
              code: 'duplicate',
              detail: `names the tool ${name} a second time`,
            },
          ],
    ),
    ...(outputSchema ? schemaFaults(outputSchema, '/outputSchema') : []),
  ];
}

function toolFaults(tool: AgentTool, pointer: string): Fault[] {
  if (tool.kind !== 'integration') return [];
  const { inputSchema, path } = tool;
  const faults = schemaFaults(inputSchema, `${pointer}/inputSchema`);
  const object = inputSchema.type === 'object' || inputSchema.type === undefined;
  const named = [...path.matchAll(/\{(\w*)\}/g)].map(([, name = '']) => name);
  const properties = Object.keys((inputSchema.properties ?? {}) as object);
  const unknown = named.filter((name) => !properties.includes(name));
  return [
    ...faults,
    ...(object
      ? []
      : [
          {
            pointer: `${pointer}/inputSchema/type`,
            code: 'invalid-schema',
            detail: 'must be object: a tool is called with named arguments',
          },
        ]),
    ...unknown.map((name) => ({
      pointer: `${pointer}/path`,
      code: 'unknown-argument',
      detail: `{${name}} is no property of inputSchema`,
    })),
    ...(path.split('/').some((part) => part === '..' || part === '.')
      ? [{ pointer: `${pointer}/path`, code: 'not-acceptable', detail: 'must not hold . or .. as a part' }]
      : []),
  ];
}
