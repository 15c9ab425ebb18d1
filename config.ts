import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import {
  type CellConfig,
  cidrs,
  key,
  keys,
  kmsArn,
  names,
  origins,
  port,
  type RegionConfig,
  regions,
  targets,
} from './config-shapes.ts';

export type { CellConfig };

/**
 * The only reader of the environment. Every setting is declared once, in `settings`: docs/configuration.md is
 * made from the same list, and each may come by file (NAME_FILE) so that secrets need not stand in the environment.
 */
type Setting<T> = {
  shape: z.ZodType<T>;
  fallback?: string;
  about: string;
  example: string;
  secret?: boolean;
};
const setting = <T>(declared: Setting<T>): Setting<T> => declared;

export const settings = {
  FREEHOLD_REGIONS: setting({
    shape: regions,
    about:
      'The regions, their cells (one Postgres database each; the URL is an administrator who may create roles and schemas) and the Temporal namespace of their agent runs.',
    example:
      '[{"name":"eu","group":"EU","temporalNamespace":"freehold-eu","publicUrl":"https://eu.example.com","cells":[{"name":"eu-1","url":"postgres://admin:secret@db-eu:5432/freehold_eu_1","capacity":2000}]}]',
    secret: true,
  }),
  FREEHOLD_SYSTEM_DATABASE_URL: setting({
    shape: z.url({ protocol: /^postgres(ql)?$/ }),
    about:
      'The system database (tenant directory, operations, platform audit), in the home region; an administrator as above.',
    example: 'postgres://admin:secret@db-eu:5432/freehold_system',
    secret: true,
  }),
  FREEHOLD_ROOT_KEY: setting({
    shape: key,
    about:
      'The root key that wraps every tenant key, base64. Lose it and no tenant opens again; keep it out of the database backups.',
    example: 'openssl rand -base64 32',
    secret: true,
  }),
  FREEHOLD_WRAPPING_KEYS: setting({
    shape: keys,
    fallback: '',
    about:
      'Root keys to wrap tenant keys under, base64, newest first, separated by commas or lines. The first wraps; all of them, and FREEHOLD_ROOT_KEY, open. See docs/keys.md. Default: FREEHOLD_ROOT_KEY wraps.',
    example: 'openssl rand -base64 32',
    secret: true,
  }),
  FREEHOLD_KMS_KEYS: setting({
    shape: names.refine((all) => all.every((each) => kmsArn.test(each)), {
      error: 'must be ARNs of AWS KMS keys, such as arn:aws:kms:eu-west-1:111122223333:key/…',
    }),
    fallback: '',
    about:
      'ARNs of AWS KMS keys to wrap tenant keys under, newest first. The first wraps; all of them open. Who we are to AWS is found where its SDK looks. Default: none, keys given here wrap.',
    example: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  }),
  FREEHOLD_KMS_ENDPOINT: setting({
    shape: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]),
    fallback: '',
    about: 'Where FREEHOLD_KMS_KEYS are, when not at AWS itself (a VPC endpoint).',
    example: 'https://vpce-1a2b3c4d.kms.eu-west-1.vpce.amazonaws.com',
  }),
  FREEHOLD_CUSTOMER_KMS_ENDPOINTS: setting({
    shape: names.refine((all) => all.every((each) => URL.canParse(each) && /^https?:/.test(each)), {
      error: 'must be URLs such as https://kms.example.com',
    }),
    fallback: '',
    about:
      'Key services beside AWS itself that organisations may keep a key of their own at, as URLs. Default: none.',
    example: 'https://kms.example.com',
  }),
  FREEHOLD_KEY_CACHE_SECONDS: setting({
    shape: z.coerce.number().int().min(1).max(300),
    fallback: '30',
    about:
      'How long a process uses a tenant’s key after it was last looked up: within this time a key that was taken away is out of use everywhere.',
    example: '30',
  }),
  FREEHOLD_HOME_REGION: setting({
    shape: z.string(),
    fallback: '',
    about: 'The region of the system database. Default: the first region.',
    example: 'eu',
  }),
  FREEHOLD_SERVES: setting({
    shape: names,
    fallback: '',
    about: 'The regions this process serves, by name. Default: all.',
    example: 'eu',
  }),
  FREEHOLD_TEMPORAL_ADDRESS: setting({
    shape: z.string().regex(/^[^\s/]+:\d+$/, 'must be host:port'),
    about: 'The Temporal frontend.',
    example: 'temporal:7233',
  }),
  FREEHOLD_TEMPORAL_NAMESPACE: setting({
    shape: z.string().min(1),
    fallback: 'freehold',
    about: 'The namespace of the control workflows.',
    example: 'freehold',
  }),
  FREEHOLD_TEMPORAL_API_KEY: setting({
    shape: z.string(),
    fallback: '',
    about: 'API key for Temporal Cloud; switches TLS on.',
    example: '',
    secret: true,
  }),
  FREEHOLD_TEMPORAL_UI_ORIGINS: setting({
    shape: origins,
    fallback: '',
    about:
      'Origins of Temporal UIs whose pages may ask POST /v1/codec/decode with a person’s session. Default: none.',
    example: 'https://temporal.example.com',
  }),
  FREEHOLD_HTTP_HOST: setting({
    shape: z.string().min(1),
    fallback: '127.0.0.1',
    about: 'The address the API listens on.',
    example: '0.0.0.0',
  }),
  FREEHOLD_HTTP_PORT: setting({
    shape: port,
    fallback: '7400',
    about: 'The port of the API.',
    example: '7400',
  }),
  FREEHOLD_METRICS_PORT: setting({
    shape: port,
    fallback: '7401',
    about: 'The port of the API process’s /metrics.',
    example: '7401',
  }),
  FREEHOLD_WORKER_METRICS_PORT: setting({
    shape: port,
    fallback: '7409',
    about: 'The port of the worker’s /metrics and /readyz.',
    example: '7409',
  }),
  FREEHOLD_PUBLIC_URL: setting({
    shape: z.string(),
    fallback: '',
    about: 'The API’s own address as people reach it. Default: http://<host>:<port>.',
    example: 'https://api.example.com',
  }),
  FREEHOLD_BASE_DOMAIN: setting({
    shape: z.string().regex(/^[a-z0-9.-]+$/, 'must be a domain name'),
    fallback: 'localhost',
    about: 'Tenants are reached at <slug>.<base domain>.',
    example: 'example.com',
  }),
  FREEHOLD_ANONYMOUS_PER_MINUTE: setting({
    shape: z.coerce.number().int().min(1),
    fallback: '120',
    about: 'Requests a minute from one address that carry no valid credential (sign-in, invitations).',
    example: '120',
  }),
  FREEHOLD_TRUSTED_PROXIES: setting({
    shape: cidrs,
    fallback: '',
    about: 'CIDRs of proxies whose X-Forwarded-For and X-Forwarded-Host are believed. Default: none.',
    example: '10.0.0.0/8',
  }),
  FREEHOLD_SMTP_URL: setting({
    shape: z.url({ protocol: /^smtps?$/ }),
    about: 'The mail server for invitations and notices.',
    example: 'smtps://user:secret@mail.example.com',
    secret: true,
  }),
  FREEHOLD_MAIL_FROM: setting({
    shape: z.string().min(3),
    fallback: 'Freehold <no-reply@freehold.localhost>',
    about: 'The sender of every mail.',
    example: 'Freehold <no-reply@example.com>',
  }),
  FREEHOLD_MAILBOX_DIR: setting({
    shape: z.string(),
    fallback: '',
    about: 'Embedded mode only: where the built-in mailbox keeps mails; makes GET /v1/mailbox answer.',
    example: '',
  }),
  FREEHOLD_DEMO_MODELS_URL: setting({
    shape: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]),
    fallback: '',
    about:
      'Embedded mode and tests only: where the demo model server is; model providers of the kind `demo` ask it. Default: there are none.',
    example: '',
  }),
  FREEHOLD_EGRESS_PRIVATE: setting({
    shape: targets,
    fallback: '',
    about:
      'What tenants’ outgoing calls may reach although it is not public: host:port (that port), or a CIDR (any port); in clear too. Every tenant may reach it, so list nothing that trusts its network. Default: nothing.',
    example: 'models.internal:8080,10.20.0.0/16',
  }),
  FREEHOLD_EGRESS_DENIED: setting({
    shape: cidrs,
    fallback: '',
    about:
      'CIDRs that no outgoing call of a tenant reaches although they are public: this installation’s own addresses. Default: none.',
    example: '198.51.100.0/28',
  }),
  FREEHOLD_USAGE_JOURNAL_DIR: setting({
    shape: z.string().refine(isAbsolute, 'must be an absolute path, such as /var/lib/freehold/usage-journal'),
    fallback: '/var/lib/freehold/usage-journal',
    about:
      'Where processes keep, for a second, what was used too often for a transaction each (requests, seconds, bytes) before it is in the database. On a disk that outlives the process; the processes of one machine may share it. See docs/usage-sources.md.',
    example: '/var/lib/freehold/usage-journal',
  }),
  FREEHOLD_LOG_LEVEL: setting({
    shape: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']),
    fallback: 'info',
    about: 'How much is logged (pino levels).',
    example: 'info',
  }),
};

type Name = keyof typeof settings;
type Values = { [K in Name]: (typeof settings)[K] extends Setting<infer T> ? T : never };

export type Config = {
  regions: RegionConfig[];
  homeRegion: string;
  /** Names of the regions this process serves. */
  serves: string[];
  systemUrl: string;
  rootKey: Buffer;
  kms: {
    wrappingKeys: Buffer[];
    rootArns: string[];
    rootEndpoint: string;
    customerEndpoints: string[];
    cacheSeconds: number;
  };
  temporal: { address: string; namespace: string; apiKey: string; uiOrigins: string[] };
  http: {
    host: string;
    port: number;
    metricsPort: number;
    workerMetricsPort: number;
    trustedProxies: string[];
    baseDomain: string;
    anonymousPerMinute: number;
  };
  publicUrl: string;
  /** Empty where there is no demo server. */
  demoModelsUrl: string;
  mail: { smtpUrl: string; from: string; mailboxDir: string };
  /** What the operator says about tenants' outgoing calls (policies/egress.ts). */
  egress: { allowed: string[]; denied: string[] };
  usageJournalDirectory: string;
  logLevel: Values['FREEHOLD_LOG_LEVEL'];
};

/** Carries every fault of the configuration, one sentence each. */
export class ConfigError extends Error {
  readonly faults: string[];
  constructor(faults: string[]) {
    super(
      `Freehold cannot start with this configuration:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const faults: string[] = [];
  const values: Partial<Record<Name, unknown>> = {};
  // Object.keys forgets the key type; the object above is closed, so the cast only restores it.
  for (const name of Object.keys(settings) as Name[]) {
    const { shape, fallback, example } = settings[name];
    const text = textOf(env, name, faults) ?? fallback;
    if (text === undefined) {
      faults.push(`${name} is not set. Example: ${example}`);
      continue;
    }
    const parsed = shape.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else
      faults.push(
        ...parsed.error.issues.map((issue) => `${[name, ...issue.path].join('.')}: ${issue.message}`),
      );
  }
  if (faults.length > 0) throw new ConfigError(faults);
  // Every name was parsed by its own shape above, or a fault was thrown.
  const config = arrange(values as Values);
  const meaning = contradictions(config);
  if (meaning.length > 0) throw new ConfigError(meaning);
  return config;
}

function textOf(env: Record<string, string | undefined>, name: Name, faults: string[]): string | undefined {
  const file = env[`${name}_FILE`];
  if (file === undefined) return env[name];
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    faults.push(`${name}_FILE: cannot read ${file} (${cause instanceof Error ? cause.message : cause})`);
    return undefined;
  }
}

function arrange(values: Values): Config {
  const [first] = values.FREEHOLD_REGIONS;
  const { FREEHOLD_HTTP_HOST: host, FREEHOLD_HTTP_PORT: httpPort } = values;
  return {
    regions: values.FREEHOLD_REGIONS,
    homeRegion: values.FREEHOLD_HOME_REGION || (first?.name ?? ''),
    serves:
      values.FREEHOLD_SERVES.length > 0 ? values.FREEHOLD_SERVES : values.FREEHOLD_REGIONS.map((r) => r.name),
    systemUrl: values.FREEHOLD_SYSTEM_DATABASE_URL,
    rootKey: values.FREEHOLD_ROOT_KEY,
    kms: {
      wrappingKeys: values.FREEHOLD_WRAPPING_KEYS,
      rootArns: values.FREEHOLD_KMS_KEYS,
      rootEndpoint: values.FREEHOLD_KMS_ENDPOINT,
      customerEndpoints: values.FREEHOLD_CUSTOMER_KMS_ENDPOINTS,
      cacheSeconds: values.FREEHOLD_KEY_CACHE_SECONDS,
    },
    temporal: {
      address: values.FREEHOLD_TEMPORAL_ADDRESS,
      namespace: values.FREEHOLD_TEMPORAL_NAMESPACE,
      apiKey: values.FREEHOLD_TEMPORAL_API_KEY,
      uiOrigins: values.FREEHOLD_TEMPORAL_UI_ORIGINS,
    },
    http: {
      host,
      port: httpPort,
      metricsPort: values.FREEHOLD_METRICS_PORT,
      workerMetricsPort: values.FREEHOLD_WORKER_METRICS_PORT,
      trustedProxies: values.FREEHOLD_TRUSTED_PROXIES,
      baseDomain: values.FREEHOLD_BASE_DOMAIN,
      anonymousPerMinute: values.FREEHOLD_ANONYMOUS_PER_MINUTE,
    },
    publicUrl: values.FREEHOLD_PUBLIC_URL || `http://${host}:${httpPort}`,
    demoModelsUrl: values.FREEHOLD_DEMO_MODELS_URL,
    mail: {
      smtpUrl: values.FREEHOLD_SMTP_URL,
      from: values.FREEHOLD_MAIL_FROM,
      mailboxDir: values.FREEHOLD_MAILBOX_DIR,
    },
    egress: { allowed: values.FREEHOLD_EGRESS_PRIVATE, denied: values.FREEHOLD_EGRESS_DENIED },
    usageJournalDirectory: values.FREEHOLD_USAGE_JOURNAL_DIR,
    logLevel: values.FREEHOLD_LOG_LEVEL,
  };
}

function contradictions(config: Config): string[] {
  const known = config.regions.map((r) => r.name);
  const cells = config.regions.flatMap((r) => r.cells.map((c) => c.name));
  const twice = [...known, ...cells].filter((name, at, all) => all.indexOf(name) !== at);
  return [
    ...twice.map(
      (name) => `FREEHOLD_REGIONS names "${name}" twice; regions and cells need names of their own.`,
    ),
    ...[config.homeRegion, ...config.serves]
      .filter((name) => !known.includes(name))
      .map((name) => `There is no region "${name}" in FREEHOLD_REGIONS (there are: ${known.join(', ')}).`),
  ];
}
