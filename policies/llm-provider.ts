/**
 * The kinds of model provider there are, and whether one may be asked: by its kind, its model, where it processes and
 * whose it is. Asked at the point of use, so that a change of settings holds for the next call of every run.
 */
type Kind = {
  title: string;
  /** Where it is when nothing else is said; without it an address has to be given. */
  address?: string;
  credential: 'needed' | 'optional' | 'none';
};

const declared = {
  openai: { title: 'OpenAI', address: 'https://api.openai.com/v1', credential: 'needed' },
  anthropic: { title: 'Anthropic', address: 'https://api.anthropic.com/v1', credential: 'needed' },
  google: {
    title: 'Google (Gemini)',
    address: 'https://generativelanguage.googleapis.com/v1beta',
    credential: 'needed',
  },
  mistral: { title: 'Mistral', address: 'https://api.mistral.ai/v1', credential: 'needed' },
  azure: { title: 'Azure OpenAI', credential: 'needed' },
  'openai-compatible': { title: 'OpenAI-compatible server', credential: 'optional' },
  ollama: { title: 'Ollama', credential: 'optional' },
  demo: { title: 'Demo server: no model, it answers by rules', credential: 'none' },
} satisfies Record<string, Kind>;

export type LlmKind = keyof typeof declared;
// Object.keys forgets the key type; the object above is closed.
export const llmKinds = Object.keys(declared) as LlmKind[];
export const llmKind = (kind: LlmKind): Kind => declared[kind];

/** What the settings of a tenant say about models. */
export type LlmRules = {
  allowedProviders: readonly string[] | null;
  allowedModels: readonly string[] | null;
  /** Residency groups; null: only the tenant's own. */
  allowedRegions: readonly string[] | null;
};

export type Asked = {
  id: string;
  kind: LlmKind;
  /** The provider's own name of it, after aliases. */
  model: string;
  region: string;
  enabled: boolean;
  models: readonly string[] | null;
  agents: readonly string[] | null;
};

export type Asking = {
  agentId?: string | undefined;
  /** A test, which is no agent’s call. */
  anyAgent: boolean;
  ownRegion: string;
  knownRegions: readonly string[];
};

/** Some kinds put it into the path of the request, where it must not lead to another. */
const modelName = /^(?!.*(\.\.|\/\/))[A-Za-z0-9][\w.:@+/-]{0,199}$/;

/**
 * Why it may not be asked, in a sentence that says what to change; undefined when it may. Ids and words of our own
 * only: such sentences end up in histories that operators read.
 */
export function whyNotAsked(asked: Asked, rules: LlmRules, asking: Asking): string | undefined {
  const { id, model, kind, region } = asked;
  const who = `The model provider ${id}`;
  if (!modelName.test(model))
    return 'This is no name of a model; letters, digits and . _ : @ + / - make one.';
  if (!asked.enabled) return `${who} is switched off; switch it on or name another.`;
  if (asked.agents && !asking.anyAgent && !(asking.agentId && asked.agents.includes(asking.agentId)))
    return `${who} is kept for certain agents, and this is none of them.`;
  if (asked.models && !asked.models.includes(model))
    return `${who} is not to be asked for this model; add it to the provider’s models or name another.`;
  if (rules.allowedProviders && !rules.allowedProviders.includes(kind))
    return `The setting llm.allowedProviders does not allow providers of kind ${kind}.`;
  if (!modelAllowed(rules, model)) return 'The setting llm.allowedModels does not allow this model.';
  if (!asking.knownRegions.includes(region))
    return `${who} processes in a region this installation does not know; correct its region.`;
  const regions = rules.allowedRegions ?? [asking.ownRegion];
  if (!regions.includes(region))
    return `${who} processes in ${region}; the setting llm.allowedRegions allows ${regions.join(', ') || 'none'}.`;
  return undefined;
}

export function modelAllowed({ allowedModels }: Pick<LlmRules, 'allowedModels'>, model: string): boolean {
  return allowedModels === null || allowedModels.some((glob) => matches(glob, model));
}

/** `*` stands for any characters; compared piece by piece, so that no pattern can make it slow. */
export function matches(glob: string, text: string): boolean {
  const [first = '', ...rest] = glob.split('*');
  if (rest.length === 0) return glob === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
