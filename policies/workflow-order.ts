import type { Fault } from './refusal.ts';
import type { WorkflowStep } from './workflow-definition.ts';

/** The order of the steps of one list, by what each says it comes after. */
type Ordered = Pick<WorkflowStep, 'id' | 'after'>;

export function orderFaults(steps: readonly Ordered[], pointer: string): Fault[] {
  const unknown = steps.flatMap(({ after }, index) =>
    after.flatMap((id, at) =>
      steps.some((other) => other.id === id)
        ? []
        : [
            {
              pointer: `${pointer}/${index}/after/${at}`,
              code: 'unknown-step',
              detail: `There is no step ${id} beside this one.`,
            },
          ],
    ),
  );
  return [...unknown, ...cycles(steps, pointer)];
}

/** Each circle once, told by the way round it. */
function cycles(steps: readonly Ordered[], pointer: string): Fault[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const done = new Set<string>();
  const found: Fault[] = [];
  const visit = (id: string, way: string[]): void => {
    const at = way.indexOf(id);
    if (at >= 0) {
      const index = steps.findIndex((step) => step.id === id);
      const round = [...way.slice(at), id].toReversed().join(' → ');
      found.push({
        pointer: `${pointer}/${index}/after`,
        code: 'cycle',
        detail: `These steps come after one another in a circle: ${round}. Use a step of the kind loop, which has a bound.`,
      });
      return;
    }
    if (done.has(id)) return;
    for (const before of byId.get(id)?.after ?? []) visit(before, [...way, id]);
    done.add(id);
  };
  for (const { id } of steps) visit(id, []);
  return found;
}

/** All steps that have ended when this one begins: those it comes after, those they come after, and so on. */
export function stepsBefore<T extends Ordered>({ after }: Ordered, steps: readonly T[]): T[] {
  const before = new Set<string>();
  const add = (ids: readonly string[]): void => {
    for (const id of ids) {
      if (before.has(id)) continue;
      before.add(id);
      add(steps.find((step) => step.id === id)?.after ?? []);
    }
  };
  add(after);
  return steps.filter(({ id }) => before.has(id));
}
