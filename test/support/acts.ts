import fc from 'fast-check';
import type { ModelRule } from './reference-model.ts';

/** One act: by whom (a person of any tenant), and what. Numbers choose among what there is at that moment. */
export type Act =
  | { kind: 'give' | 'take'; by: number; to: number; role: number }
  | { kind: 'rules'; by: number; role: number; rules: ModelRule[] }
  | { kind: 'create'; by: number; tags: string[]; environment: string }
  | { kind: 'read' | 'delete'; by: number; agent: number }
  | { kind: 'update'; by: number; agent: number; environment: string }
  | { kind: 'list'; by: number };

const environments = ['development', 'staging', 'production'];
const tags = fc.subarray(['red', 'green']);
const environment = fc.constantFrom(...environments);
const any = fc.nat({ max: 1_000 });
const rule: fc.Arbitrary<ModelRule> = fc.record(
  {
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    action: fc.constantFrom(
      'create' as const,
      'read' as const,
      'read' as const,
      'update' as const,
      'delete' as const,
    ),
    subject: fc.constant('Agent' as const),
    when: fc
      .record(
        {
          ownerId: fc.constant('me' as const),
          tags: fc.subarray(['red', 'green'], { minLength: 1 }).map((each) => ({ any: each })),
          environment: fc.subarray(environments, { minLength: 1 }).map((each) => ({ any: each })),
        },
        { requiredKeys: [] },
      )
      .filter((when) => Object.keys(when).length > 0),
  },
  { requiredKeys: ['effect', 'action', 'subject'] },
);
export const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('give' as const, 'give' as const, 'take' as const),
    by: any,
    to: any,
    role: any,
  }),
  fc.record({
    kind: fc.constant('rules' as const),
    by: any,
    role: any,
    rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('create' as const), by: any, tags, environment }),
  fc.record({ kind: fc.constantFrom('read' as const, 'delete' as const), by: any, agent: any }),
  fc.record({ kind: fc.constant('update' as const), by: any, agent: any, environment }),
  fc.record({ kind: fc.constant('list' as const), by: any }),
);
