import type { Config } from '../../config.ts';
import { config } from '../databases.ts';
import { derive, fingerprint, open, seal } from '../secrets.ts';
import { awsKey } from './aws-key.ts';

/**
 * The port to what wraps tenant keys. A root key is known by its name, which stands beside what it wrapped; the first of
 * `rootKeys` wraps, every one of them opens. Moving to another one is a rotation (workflows/rotate-root-key.ts).
 */
export type WrappingKey = {
  name: string;
  wrap(plain: Buffer, context: WrapContext): Promise<Buffer>;
  /** Throws when it was wrapped by another key, for another tenant or version, or the key may not be used. */
  unwrap(wrapped: Buffer, context: WrapContext): Promise<Buffer>;
};
export type WrapContext = { tenantId: string; version: number };

const made = new WeakMap<Config, WrappingKey[]>();

export function rootKeys(): WrappingKey[] {
  const current = config();
  const known = made.get(current);
  if (known) return known;
  const { kms, rootKey } = current;
  const keys = [
    ...kms.rootArns.map((arn) => awsKey({ arn, endpoint: kms.rootEndpoint || undefined })),
    ...[...kms.wrappingKeys, rootKey].map(fileKey),
  ];
  made.set(current, keys);
  return keys;
}

/** The one that wraps from now on. */
export function rootKey(): WrappingKey {
  const [first] = rootKeys();
  if (!first) throw new Error('there is no root key');
  return first;
}

/** Null names the root key of FREEHOLD_ROOT_KEY: what was wrapped before there were others. */
export function rootKeyNamed(name: string | null): WrappingKey {
  const key = name === null ? rootKeys().at(-1) : rootKeys().find((each) => each.name === name);
  if (!key)
    throw new Error(
      `a tenant key is wrapped under the root key ${name}, which this process was not given: see docs/keys.md`,
    );
  return key;
}

/** A key this process was given by its configuration, usually from a file. */
function fileKey(bytes: Buffer): WrappingKey {
  const key = derive(bytes, 'tenant-keys');
  const belongs = ({ tenantId, version }: WrapContext) => `tenant-key/${tenantId}/${version}`;
  return {
    name: `file:${fingerprint(bytes).slice(0, 16)}`,
    wrap: async (plain, context) => seal(key, context.version, plain, belongs(context)),
    unwrap: async (wrapped, context) => open(key, wrapped, belongs(context)),
  };
}
