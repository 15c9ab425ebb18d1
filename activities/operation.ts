import { type Mirror, mirrorOperation as mirror } from '../models/system/operation.ts';
import { activity } from './activity.ts';

/** Keeps the stored operation near what a long-running workflow knows, for lists and for when Temporal is away. */
export const mirrorOperation = activity(['read', 'Operation'], (mirrored: Mirror) => mirror(mirrored));
