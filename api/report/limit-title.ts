import { whoseInWords, windowInWords } from '../../policies/limit-words.ts';
import type { ShownReport } from '../usage-report.ts';
import { meterTitles } from './words.ts';

export type ShownLimit = NonNullable<ShownReport['limits']>[number];

/** `Tokens a month for the agent Researcher`. */
export function limitTitle(
  { meter, scope, scopeId, ...limit }: ShownLimit,
  names: ShownReport['names'],
): string {
  const title = meter === 'tokens' ? 'Tokens' : meterTitles[meter];
  return `${title}${windowInWords(limit)}${whoseInWords(scope, names[scopeId] ?? scopeId)}`;
}
