import { z } from 'zod';
import { config } from '../../models/databases.ts';
import { permitsHeld, permitsInRegion } from '../../models/heavy-permit.ts';
import { platformRead } from '../platform-route.ts';
import { iso } from '../present.ts';
import { moment } from '../shapes.ts';

const shown = z
  .object({
    permitsInRegion: z.int().meta({ description: 'How many there are in each region.' }),
    items: z.array(
      z.object({
        region: z.string(),
        place: z.int(),
        tenantId: z.string().nullable().meta({ description: 'Null: for all of the region’s tenants.' }),
        work: z.string(),
        holder: z.string().meta({ description: 'The operation, or what comes by itself.' }),
        takenAt: moment,
        renewedAt: moment,
        expiresAt: moment.meta({ description: 'When it is free again, if its holder is dead.' }),
      }),
    ),
  })
  .meta({ id: 'HeavyPermits' });

export const listPermits = platformRead({
  method: 'get',
  path: '/heavy-permits',
  tag: 'Operations',
  summary: 'Who holds the permits for heavy work in the regions served here',
  permit: ['read', 'Operation'],
  answers: { 200: shown },
  handle: async () => {
    const held = await Promise.all(config().serves.map(permitsHeld));
    const items = held.flat().map(({ takenAt, renewedAt, expiresAt, ...permit }) => ({
      ...permit,
      takenAt: iso(takenAt),
      renewedAt: iso(renewedAt),
      expiresAt: iso(expiresAt),
    }));
    return { status: 200, body: { permitsInRegion, items } };
  },
});
