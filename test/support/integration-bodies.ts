import { freshSlug } from './tenants.ts';

const webhookSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** Acceptable bodies of the routes about integrations, for test/support/route-matrix.ts. */
export const integrationBodies: Record<string, (() => unknown) | null> = {
  'get /integrations': null,
  'get /integrations/:integrationId': null,
  'post /integrations': () => ({
    name: freshSlug('integration'),
    kind: 'http',
    target: { url: 'https://api.example.com/', auth: 'bearer' },
    credential: 'a token of a test',
  }),
  'patch /integrations/:integrationId': () => ({ name: freshSlug('integration') }),
  'delete /integrations/:integrationId': null,
  'post /integrations/:integrationId/checks': null,
  'post /integrations/:integrationId/secret-rotations': () => ({ credential: webhookSecret }),
  'get /integrations/:integrationId/deliveries': null,
  'post /integrations/:integrationId/deliveries/:deliveryId/replay': null,
};
