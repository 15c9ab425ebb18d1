import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Response } from 'express';
import { EventStream, refuseTooManyStreams } from '../../api/event-stream.ts';

describe('streams of one tenant', () => {
  // A stream uses nothing of what Express adds.
  const response = () => new ServerResponse(new IncomingMessage(new Socket())) as Response;

  it('R10.2 are so many in a process and no more, and another tenant’s are as many', async () => {
    const open = Array.from({ length: 200 }, () => new EventStream(response(), 'ten_many'));
    assert.throws(() => refuseTooManyStreams('ten_many'), { code: 'rate-limited', retryAfterSeconds: 5 });
    refuseTooManyStreams('ten_other');
    open[0]?.leave({ reason: 'test', detail: '' });
    for (const stream of open) stream.leave({ reason: 'stopping', detail: '' });
    await Promise.all(open.map((stream) => stream.close({ reason: 'stopping', detail: '' })));
    refuseTooManyStreams('ten_many');
  }).timeout(60_000);
});
