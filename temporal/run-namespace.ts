import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { Config } from '../config.ts';
import { payloadCodec } from './payload-codec.ts';

/** Where runs of a region live in Temporal, and how everything they keep there is sealed. */
export const runDataConverter: DataConverter = {
  payloadCodecs: [payloadCodec],
  failureConverterPath: fileURLToPath(new URL('../workflows/failure-converter.ts', import.meta.url)),
};

export function temporalNamespaceOf({ regions }: Config, name: string): string {
  const region = regions.find((each) => each.name === name);
  if (!region) throw new Error(`region ${name} is not in FREEHOLD_REGIONS of this process`);
  return region.temporalNamespace;
}
