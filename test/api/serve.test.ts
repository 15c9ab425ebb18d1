import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Answer, Route } from '../../api/route.ts';
import { serve } from '../../api/serve.ts';
import { send } from '../support/client.ts';

const declared = {
  ...{ method: 'get' as const, path: '/thing', summary: 'A thing', tag: 'Things', answers: {} },
  scope: 'public',
} as const;

describe('serving an answer', () => {
  const followed = async (unchanged: boolean): Promise<boolean> => {
    let after = false;
    const answer: Answer = {
      ...{ status: 200, body: {}, unchanged },
      afterCommit: async () => {
        after = true;
      },
    };
    const route: Route = { ...declared, serve: async () => answer };
    const server = express().get('/thing', serve(route)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { status } = await send(`http://127.0.0.1:${port}`, 'GET', '/thing');
    assert.equal(status, 200);
    server.close();
    return after;
  };

  it('R5.2 goes on after a commit only where something was committed, and not after a dry run', async () => {
    assert.equal(await followed(false), true);
    assert.equal(await followed(true), false);
  });
});
