import { z } from 'zod';
import type { AgentDefinition } from './agent-definition.ts';
import type { WorkflowDefinition } from './workflow-definition.ts';

/**
 * An agent or workflow with everything it needs, to be taken to another organisation of this installation: the only way
 * there is. It holds no id of anything but itself. Where a definition names an agent or workflow of the package stands
 * `ref:…`, where it names a provider or an integration `slot:…`, which whoever takes it in binds to one of their own.
 */
const ref = z.string().regex(/^[aw]\d{1,3}$/);
const slotName = z.string().regex(/^(provider|integration)-\d{1,3}$/);
const named = {
  ref,
  name: z.string().min(1).max(100),
  description: z.string().max(1_000),
  tags: z.array(z.string().max(50)).max(20),
  definition: z.record(z.string(), z.json()),
};
const packageContent = z.strictObject({
  format: z.literal('freehold-agent-package/1'),
  id: z.string().regex(/^pkg_[0-7][0-9a-hjkmnp-tv-z]{25}$/),
  exportedBy: z.strictObject({ tenantId: z.string().max(40) }),
  exportedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** The only organisation that may take it in; null is any of this installation. */
  recipient: z.string().max(40).nullable(),
  root: ref,
  agents: z.array(z.strictObject(named)).max(50),
  workflows: z.array(z.strictObject(named)).max(50),
  slots: z
    .array(
      z.strictObject({
        name: slotName,
        kind: z.enum(['provider', 'integration']),
        title: z.string().max(200),
      }),
    )
    .max(100),
});
export const agentPackage = packageContent.extend({
  signature: z.strictObject({
    algorithm: z.literal('Ed25519'),
    keyId: z.string().max(100),
    value: z.string().max(200),
  }),
});
export type PackageContent = z.infer<typeof packageContent>;
export type AgentPackage = z.infer<typeof agentPackage>;

/** Fields of definitions that name something, wherever they stand. */
const naming = {
  agentId: 'agent',
  workflowId: 'workflow',
  integrationId: 'integration',
  providerId: 'provider',
} as const;
export type Naming = (typeof naming)[keyof typeof naming];

/** The same definition with every name in it exchanged. Schemas and bodies are data, in which nothing is a name. */
export function renamed(definition: unknown, rename: (kind: Naming, name: string) => string): unknown {
  if (Array.isArray(definition)) return definition.map((each) => renamed(each, rename));
  if (definition === null || typeof definition !== 'object') return definition;
  return Object.fromEntries(
    Object.entries(definition).map(([field, value]) => {
      if (isData(field)) return [field, value];
      const kind = Object.hasOwn(naming, field) ? naming[field as keyof typeof naming] : undefined;
      return [field, kind && typeof value === 'string' ? rename(kind, value) : renamed(value, rename)];
    }),
  );
}
const isData = (field: string): boolean =>
  ['inputSchema', 'outputSchema', 'body', 'input', 'output'].includes(field);

export function namesIn(definition: AgentDefinition | WorkflowDefinition): { kind: Naming; name: string }[] {
  const found: { kind: Naming; name: string }[] = [];
  renamed(definition, (kind, name) => {
    found.push({ kind, name });
    return name;
  });
  return found;
}

/** What is signed: JSON whose names stand in one order, whoever has parsed and written it in between (as RFC 8785). */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const sorted = entries.toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${sorted.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`;
}
