import { agentDefinition } from '../../policies/agent-definition.ts';
import { type PackageContent, renamed } from '../../policies/agent-package.ts';
import { type Fault, Refusal } from '../../policies/refusal.ts';
import { workflowDefinition } from '../../policies/workflow-definition.ts';
import { newId } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql, TenantScope } from '../scope.ts';
import { createAgent, type NewAgent } from './agent.ts';
import { createWorkflow, type NewWorkflow } from './workflow.ts';

/** Makes what is in a package as drafts of the tenant one is in, under new ids, bound to what is the tenant's own. */
export type Given = {
  content: PackageContent;
  bindings: Record<string, string>;
  names: Record<string, string>;
};
export type Unpacked = { agents: (NewAgent & { id: string })[]; workflows: (NewWorkflow & { id: string })[] };

export function unpacked({ content, bindings, names }: Given): Unpacked {
  const ids = new Map<string, string>([
    ...content.agents.map(({ ref }) => [`ref:${ref}`, newId('agt')] as const),
    ...content.workflows.map(({ ref }) => [`ref:${ref}`, newId('wfl')] as const),
    ...content.slots.map(({ name }) => [`slot:${name}`, bindings[name] ?? ''] as const),
  ]);
  const own = ({ ref, name, description, tags, definition }: PackageContent['agents'][number]) => ({
    named: { id: ids.get(`ref:${ref}`) ?? '', name: names[ref] ?? name, description, tags },
    definition: renamed(definition, (_, token) => ids.get(token) ?? token),
  });
  return {
    agents: content.agents.map(own).map(({ named, definition }) => {
      const parsed = parsedBy(agentDefinition, definition, named.name);
      return { ...named, definition: parsed, model: parsed.model, environment: 'development' as const };
    }),
    workflows: content.workflows.map(own).map(({ named, definition }) => ({
      ...named,
      definition: parsedBy(workflowDefinition, definition, named.name),
    })),
  };
}

type Shape<T> = {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: unknown };
};
function parsedBy<T>(shape: Shape<T>, definition: unknown, name: string): T {
  const result = shape.safeParse(definition);
  if (result.success) return result.data;
  const detail = `“${name}” in it is of a form that this version of Freehold does not understand.`;
  throw new Refusal('unprocessable', `The package is refused. ${detail}`, {
    cause: result.error,
    errors: [{ pointer: '/package', code: 'foreign-form', detail }],
  });
}

/** Slots that are not bound, or to something that is not there or not of that kind; and bindings nothing asks for. */
export async function bindingFaults(sql: Sql, { content, bindings }: Given): Promise<Fault[]> {
  const faults: Fault[] = [];
  const fault = (name: string, code: string, detail: string) =>
    faults.push({ pointer: `/bindings/${name}`, code, detail });
  for (const { name, kind, title } of content.slots) {
    const id = bindings[name];
    if (id === undefined)
      fault(name, 'unbound', `must be the id of the ${kind} that is to stand for “${title}”`);
    else if (!(await isThere(sql, kind, id)))
      fault(
        name,
        'unknown',
        `There is no ${kind === 'provider' ? 'model provider' : 'HTTP integration'} ${id}.`,
      );
  }
  for (const name of Object.keys(bindings))
    if (!content.slots.some((slot) => slot.name === name))
      fault(name, 'unknown', 'is no slot of this package');
  return faults;
}

async function isThere(sql: Sql, kind: 'provider' | 'integration', id: string): Promise<boolean> {
  const found =
    kind === 'provider'
      ? 'llm_providers WHERE deleted_at IS NULL AND'
      : "integrations WHERE kind = 'http' AND";
  return (await sql(`SELECT id FROM ${found} id = $1`, [id])).length > 0;
}

/** Each package once: taken twice, it would make everything twice. */
export async function insistNew(sql: Sql, packageId: string, by: string, made: object): Promise<void> {
  const [claimed] = await sql(
    'INSERT INTO package_imports (package_id, imported_by, made) VALUES ($1, $2, $3::jsonb) ON CONFLICT DO NOTHING RETURNING package_id',
    [packageId, by, JSON.stringify(made)],
  );
  if (claimed) return;
  const [before] = await sql<{ made: object }>('SELECT made FROM package_imports WHERE package_id = $1', [
    packageId,
  ]);
  const detail = 'This package was taken in before; have it exported again to take it in once more.';
  throw new Refusal('conflict', detail, {
    extra: { made: before?.made },
    errors: [{ pointer: '/package/id', code: 'replayed', detail }],
  });
}

export async function makeAll(
  tenant: TenantScope,
  keyring: Keyring,
  { agents, workflows }: Unpacked,
  ownerId: string,
): Promise<void> {
  for (const agent of agents) await createAgent(tenant, keyring, agent, ownerId);
  for (const workflow of workflows) await createWorkflow(tenant.sql, keyring, workflow, ownerId);
}
