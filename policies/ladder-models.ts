import type { Fault } from './refusal.ts';
import type { Cheaper, Rung } from './usage-ladder.ts';

/**
 * Whether the models that a ladder puts in the place of others can be asked at all. What a provider's own list rules out
 * is a fault; of one without a list nobody knows before it is asked, so that is only warned of.
 */
export type Offering = {
  id: string;
  /** Null: whatever it has. */
  models: readonly string[] | null;
  aliases: Readonly<Record<string, string>>;
  /** Removed; those who name it are led to another, which is not looked for here. */
  removed: boolean;
};

type Named = { model: Cheaper; pointer: string };

const namedIn = (ladder: readonly Rung[]): Named[] =>
  ladder.flatMap((rung, at) =>
    rung.measure === 'cheaper-model'
      ? rung.models.map((model, index) => ({ model, pointer: `/rungs/${at}/models/${index}` }))
      : [],
  );

const askedOf = (all: readonly Offering[], { providerId }: Cheaper): Offering[] =>
  all.filter(({ id, removed }) => (providerId === undefined ? !removed : id === providerId));

/** Of a provider without a list, an alias is a name that somebody wrote down for a model it has. */
const lists = ({ models, aliases }: Offering, to: string): boolean =>
  models === null ? Object.hasOwn(aliases, to) : models.includes(aliases[to] ?? to);

export function modelFaults(ladder: readonly Rung[], providers: readonly Offering[]): Fault[] {
  return namedIn(ladder).flatMap(({ model, pointer }) => {
    const asked = askedOf(providers, model);
    if (model.providerId !== undefined && asked.length === 0) {
      const detail = 'there is no such model provider: GET /v1/llm-providers';
      return [{ pointer: `${pointer}/providerId`, code: 'unknown', detail }];
    }
    const may = asked.some((each) => each.removed || each.models === null || lists(each, model.to));
    if (may || asked.length === 0) return [];
    const detail = `no model provider that would be asked has the model ${model.to} among its models; add it there, or name another: GET /v1/llm-providers`;
    return [{ pointer: `${pointer}/to`, code: 'unknown', detail }];
  });
}

/** Each model once; while it does not answer, every run that is given it fails. */
export function modelWarnings(ladder: readonly Rung[], providers: readonly Offering[]): string[] {
  const unlisted = namedIn(ladder).filter(
    ({ model }) => !askedOf(providers, model).some((each) => lists(each, model.to)),
  );
  return [...new Set(unlisted.map(({ model }) => model.to))].map(
    (to) =>
      `No model provider lists the model ${to}, so nobody knows whether it answers; runs that are given it fail if it does not. Try it: POST /v1/llm-providers/{id}/tests with {"model":"${to}"}.`,
  );
}
