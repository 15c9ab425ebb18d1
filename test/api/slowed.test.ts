import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Response } from 'express';
import { throttleTenant } from '../../api/request-rate.ts';
import { unslowed } from '../../policies/request-rate.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { member } from '../support/tenants.ts';

before(useSharedModels);

describe('a tenant that is slowed', () => {
  it('R5.4 gets that part of its plan’s rate from the next request on, and all of it when that is over', async () => {
    const small = await member({ plan: 'free' });
    const { tenantId, cell } = await placed(small.tenant.id);
    // Nothing of what Express adds to it is used.
    const response = new ServerResponse(new IncomingMessage(new Socket())) as Response;
    let slowed = unslowed;
    const one = () =>
      throttleTenant(response, {
        slowed,
        tenantId,
        cell,
        credentialId: 'key_slow',
        plan: 'free',
        planVersion: 2,
        routeClass: 'read',
      });
    await one();
    slowed = { tenant: 0.05, credential: 1 };
    let through = 0;
    const refused = await (async () => {
      for (;;) {
        await one();
        through += 1;
      }
    })().catch((error: unknown) => error);
    assert.match(String(refused), /More than the 30 requests a minute/);
    // What the API took for making the tenant counts as well.
    assert.ok(through > 0 && through < 30, String(through));
    slowed = unslowed;
    await one();
  });
});
