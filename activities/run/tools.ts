import type { AgentDefinition } from '../../policies/agent-definition.ts';
import type { ModelTool } from '../llm/generation.ts';

/** An agent's tools as its model is told of them. */
const text = (name: string, description: string) => ({
  type: 'object',
  properties: { [name]: { type: 'string', description } },
  required: [name],
  additionalProperties: false,
});

export const toolSchemas = {
  read: text('query', 'Words to look for in what you remember.'),
  write: text('text', 'What to remember, in a sentence.'),
  handOff: text('prompt', 'What the other agent is to do, with all it has to know.'),
};

export function toolsFor({ tools }: AgentDefinition): ModelTool[] {
  return tools.map((tool): ModelTool => {
    const { name } = tool;
    if (tool.kind === 'integration')
      return { name, description: tool.description, inputSchema: tool.inputSchema };
    if (tool.kind === 'hand-off')
      return { name, description: tool.description, inputSchema: toolSchemas.handOff };
    return tool.access === 'read'
      ? { name, description: 'Search what you remember.', inputSchema: toolSchemas.read }
      : { name, description: 'Remember something for later.', inputSchema: toolSchemas.write };
  });
}
