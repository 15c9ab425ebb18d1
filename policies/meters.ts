/**
 * Everything that is counted, in one list: what it is, in which unit, how readings become one number, and by which act
 * or measurement they come to be. Quotas, invoices, scaling and dashboards name a meter of this list and no other.
 *
 * `time-weighted` meters are told of changes (+1, -1), whose order does not matter: the level at a moment is the sum of
 * all before it. `unique` meters count members (`UsageEvent.member`), each once a day.
 */
export const aggregations = ['sum', 'count', 'max', 'last', 'unique', 'time-weighted'] as const;
export type Aggregation = (typeof aggregations)[number];

/** What a reading can be broken down by. `kind` is the meter's own: which data, which class of route, which outcome. */
export const dimensions = ['agentId', 'workflowId', 'userId', 'keyId', 'model', 'kind'] as const;
export type Dimension = (typeof dimensions)[number];
export type Dimensions = { [Name in Dimension]?: string | undefined };

/**
 * How exactly a limit on it holds. `before`: what an act may use at most is reserved before it, so a hard limit is never
 * passed by one unit. `after`: known only once it happened; a hard limit refuses what would begin after it was reached.
 */
type Enforcement = 'before' | 'after';

type Metered = {
  unit: string;
  aggregation: Aggregation;
  enforcement: Enforcement;
  /** Whether systems beside Freehold may report it: POST /v1/usage/events. */
  reported: boolean;
  about: string;
};
const meter = (declared: Metered): Metered => declared;

const meters = {
  'tokens.input': meter({
    unit: 'tokens',
    aggregation: 'sum',
    enforcement: 'before',
    reported: true,
    about: 'Tokens that models read, those from a cache included.',
  }),
  'tokens.output': meter({
    unit: 'tokens',
    aggregation: 'sum',
    enforcement: 'before',
    reported: true,
    about: 'Tokens that models wrote, those of reasoning included.',
  }),
  'tokens.cached': meter({
    unit: 'tokens',
    aggregation: 'sum',
    enforcement: 'after',
    reported: true,
    about: 'Of the tokens read, those that came from the provider’s cache.',
  }),
  'tokens.reasoning': meter({
    unit: 'tokens',
    aggregation: 'sum',
    enforcement: 'after',
    reported: true,
    about: 'Of the tokens written, those of reasoning that is not shown.',
  }),
  runs: meter({
    unit: 'runs',
    aggregation: 'count',
    enforcement: 'before',
    reported: false,
    about: 'Runs that were started, retries of ended ones included.',
  }),
  'runs.ended': meter({
    unit: 'runs',
    aggregation: 'count',
    enforcement: 'after',
    reported: false,
    about: 'Runs that ended, by how (`kind`: succeeded, failed, refused, cancelled).',
  }),
  'runs.concurrent': meter({
    unit: 'runs',
    aggregation: 'time-weighted',
    enforcement: 'before',
    reported: false,
    about: 'Runs under way at a moment; over a time, their mean.',
  }),
  steps: meter({
    unit: 'steps',
    aggregation: 'count',
    enforcement: 'after',
    reported: false,
    about: 'Steps of runs that were carried out.',
  }),
  'tool-calls': meter({
    unit: 'calls',
    aggregation: 'count',
    enforcement: 'before',
    reported: true,
    about: 'Calls of tools and integrations by runs.',
  }),
  'api-calls': meter({
    unit: 'requests',
    aggregation: 'count',
    enforcement: 'after',
    reported: false,
    about: 'Requests over REST by people and keys, by class of route (`kind`); refused ones count.',
  }),
  'storage.bytes': meter({
    unit: 'bytes',
    aggregation: 'last',
    enforcement: 'after',
    reported: false,
    about: 'What the data takes up on disk, indexes included, by kind of data (`kind`); measured hourly.',
  }),
  'compute.worker-seconds': meter({
    unit: 'seconds',
    aggregation: 'sum',
    enforcement: 'after',
    reported: false,
    about: 'Time that workers spent on the organisation’s activities.',
  }),
  'compute.database-seconds': meter({
    unit: 'seconds',
    aggregation: 'sum',
    enforcement: 'after',
    reported: false,
    about: 'Time that database connections were busy for the organisation.',
  }),
  'egress.bytes': meter({
    unit: 'bytes',
    aggregation: 'sum',
    enforcement: 'after',
    reported: true,
    about: 'Bytes sent to model providers, integrations and webhooks.',
  }),
  seats: meter({
    unit: 'people',
    aggregation: 'last',
    enforcement: 'before',
    reported: false,
    about: 'People who are active or invited.',
  }),
  agents: meter({
    unit: 'agents',
    aggregation: 'last',
    enforcement: 'before',
    reported: false,
    about: 'Agents that exist.',
  }),
  'users.active': meter({
    unit: 'people',
    aggregation: 'unique',
    enforcement: 'after',
    reported: false,
    about: 'People and keys that made a request, each once a day.',
  }),
};

export type MeterName = keyof typeof meters;
// Object.keys forgets the key type; the object above is closed, so the cast only restores it.
export const meterNames = Object.keys(meters) as [MeterName, ...MeterName[]];
export const meterOf = (name: MeterName): Metered => meters[name];
