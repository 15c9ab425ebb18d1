import { z } from 'zod';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import { Refusal } from '../../policies/refusal.ts';
import { fromJson, isSealed, openPayload, toJson, workflowOf } from '../../temporal/payload-codec.ts';
import { tenantOfWorkflow } from '../../workflows/registry.ts';
import type { Answer } from '../route.ts';
import { tenantWrite } from '../tenant-route.ts';

/**
 * The codec endpoint of the Temporal UI and of `temporal --codec-endpoint`: opens what a region's namespace holds of
 * one's own organisation, for those who may read run histories, and writes down each time it was asked. What belongs
 * to another organisation stays sealed, whoever asks. (docs/run-histories.md)
 */
const tag = 'Run histories';
const base64 = z.base64().max(4_000_000);
const payload = z.object({
  metadata: z.record(z.string().max(200), base64).optional(),
  data: base64.optional(),
});
/** The Temporal CLI sends `{}` where an event has none. */
const payloads = z
  .strictObject({ payloads: z.array(payload).max(1_000).default([]) })
  .meta({ id: 'Payloads' });
// A payload has at most 2 MiB, in base64 a third more; the UI sends those of one event at a time.
const bodyBytesMax = 4 * 1024 * 1024;
const named = 20;

type PayloadJson = z.output<typeof payload>;
type Sorted = { json: PayloadJson; workflowId: string | undefined; own: boolean };

export const decodePayloads = tenantWrite({
  method: 'post',
  path: '/codec/decode',
  tag,
  summary: 'Open payloads of runs, for the Temporal UI; X-Purpose says what for',
  permit: ['read', 'RunHistory'],
  fromTemporalUi: true,
  bodyBytesMax,
  notStored: 'the answer holds what was sealed',
  body: payloads,
  answers: { 200: payloads },
  handle: async ({ body, place, purpose }): Promise<Answer> => {
    const sorted = body.payloads.map((json) => sort(json, place.tenantId));
    const own = sorted.filter((each) => each.own);
    const foreign = sorted.filter(({ workflowId, own: mine }) => workflowId !== undefined && !mine).length;
    if (foreign > 0 && own.length === 0)
      throw new Refusal('forbidden', 'These payloads belong to another organisation; they stay sealed.');
    const keyring = own.length > 0 ? await keyringOf(place) : undefined;
    const opened = sorted.map((each, at) => (each.own && keyring ? open(keyring, each, at) : each.json));
    const workflows = [...new Set(own.map(({ workflowId }) => workflowId))];
    return {
      status: 200,
      body: { payloads: opened },
      audit: {
        ...(workflows[0] && { id: workflows[0] }),
        reason: purpose,
        details: { opened: own.length, leftSealed: foreign, workflows: workflows.slice(0, named) },
      },
    };
  },
});

/** What is not sealed is handed back as it came; the UI sends whatever it finds. */
function sort(json: PayloadJson, tenantId: string): Sorted {
  const given = fromJson(json);
  const workflowId = isSealed(given) ? workflowOf(given) : undefined;
  return {
    json,
    workflowId,
    own: workflowId !== undefined && tenantOfWorkflow(workflowId) === tenantId,
  };
}

function open(keyring: Keyring, { json }: Sorted, at: number): PayloadJson {
  try {
    return toJson(openPayload(keyring, fromJson(json)));
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    const detail = 'does not open: it was changed, or moved here from elsewhere';
    throw new Refusal('unprocessable', 'A payload does not open.', {
      cause,
      errors: [{ pointer: `/payloads/${at}/data`, code: 'not-authentic', detail }],
    });
  }
}

export const encodePayloads = tenantWrite({
  method: 'post',
  path: '/codec/encode',
  tag,
  summary: 'Always refused: nothing is sealed for the Temporal UI',
  permit: ['read', 'RunHistory'],
  fromTemporalUi: true,
  notStored: 'it is always refused',
  body: payloads,
  answers: {},
  handle: async () => {
    throw new Refusal(
      'unprocessable',
      'Nothing is sealed from outside, so that no run can be started, signalled or fed past its walls: start runs by POST /v1/runs.',
    );
  },
});
