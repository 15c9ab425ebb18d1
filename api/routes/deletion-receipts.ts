import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { receiptById, receiptList } from '../../models/tenant/deletion-receipt.ts';
import { dataClasses } from '../../policies/data-class.ts';
import { iso, presentPage } from '../present.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';

const tag = 'Compliance';

const receipt = z
  .object({
    id: id('rcp'),
    class: z.enum(dataClasses),
    source: z.string().meta({ description: 'Which of the kinds of things in this class.' }),
    rule: z.string(),
    count: z.int(),
    firstAt: moment,
    lastAt: moment,
    digest: z.string().meta({
      description: 'SHA-256, in hex, of the ids of what was deleted, in order, one a line.',
    }),
    deletedAt: moment,
  })
  .meta({ id: 'DeletionReceipt', description: 'What was deleted by a rule, without what it was.' });

const present = (row: Row) => ({
  id: row.id,
  class: row.class,
  source: row.source,
  rule: row.rule,
  count: row.count,
  firstAt: iso(row.first_at),
  lastAt: iso(row.last_at),
  digest: row.digest,
  deletedAt: iso(row.deleted_at),
});

export const listReceipts = tenantRead({
  method: 'get',
  path: '/deletion-receipts',
  tag,
  summary: 'What was deleted by which rule, newest first',
  permit: ['read', 'DeletionReceipt'],
  query: z.strictObject({ ...pagingBy('rcp'), class: z.enum(dataClasses).optional() }),
  answers: { 200: page(receipt) },
  load: ({ tenantId, query }) =>
    receiptList(tenantId, { class: query.class, after: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, present) }),
});

export const readReceipt = tenantRead({
  method: 'get',
  path: '/deletion-receipts/:receiptId',
  tag,
  summary: 'One receipt',
  permit: ['read', 'DeletionReceipt'],
  params: z.strictObject({ receiptId: id('rcp') }),
  answers: { 200: receipt },
  load: ({ tenantId, params: { receiptId } }) => receiptById(tenantId, receiptId),
  handle: ({ row }) => ({ status: 200, body: present(row) }),
});
