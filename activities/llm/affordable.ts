import { inTenant } from '../../models/scope.ts';
import { actingAs } from '../../models/tenant/acting.ts';
import { restrictionsIn, restrictionsOf } from '../../models/tenant/usage-restriction.ts';
import { ModelFailure } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import { cheaperModel } from '../../policies/usage-restriction.ts';
import type { ModelCall } from '../language-model.ts';
import type { Instead, Located } from './lease.ts';

/**
 * The model that is really asked: a cheaper one, where a restriction says so. It is judged by all rules of providers and
 * models as if the agent had named it; who asks for it anyway is told which it was.
 */
export type Affordable = ModelCall & { instead?: Instead };

export async function affordable(place: Located, call: ModelCall): Promise<Affordable> {
  const { usedBy, model, providerId } = call;
  if (usedBy.purpose === 'test') return call;
  const any = (await restrictionsOf(place)).some(({ measure }) => measure === 'cheaper-model');
  if (!any) return call;
  const found = await inTenant(place, async ({ sql }) =>
    cheaperModel(await restrictionsIn(sql), await actingAs(sql, usedBy), model, new Date()),
  );
  if (!found) return call;
  const { to, because } = found;
  const instead = { model, restrictionId: because.id };
  return { ...call, model: to.to, providerId: to.providerId ?? providerId, instead };
}

/** Whoever reads why a call failed had named another model, and would look for the fault there. */
export function sayingInstead(thrown: unknown, { model, instead }: Affordable): unknown {
  const ours = thrown instanceof Refusal || thrown instanceof ModelFailure;
  if (!instead || !ours) return thrown;
  const { model: named, restrictionId: id } = instead;
  thrown.message += ` ${model} was asked instead of ${named}, because of the restriction ${id}: GET /v1/usage-restrictions/${id}.`;
  return thrown;
}
