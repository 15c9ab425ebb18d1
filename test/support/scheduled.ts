import { temporal } from '../../temporal/client.ts';
import { until } from './runs.ts';

/** Started as it always is, by its schedule; answers when it has ended. */
export async function triggered(scheduleId: string): Promise<{ workflowId: string; status: string }> {
  const { client } = temporal();
  const schedule = client.schedule.getHandle(scheduleId);
  const { numActionsTaken } = (await schedule.describe()).info;
  await schedule.trigger();
  let workflowId = '';
  await until(async () => {
    const { info } = await schedule.describe();
    const [last] = info.recentActions.slice(-1);
    if (last?.action.type === 'startWorkflow') ({ workflowId } = last.action.workflow);
    return info.numActionsTaken > numActionsTaken;
  });
  const handle = client.workflow.getHandle(workflowId);
  await handle.result().catch(() => {});
  return { workflowId, status: (await handle.describe()).status.name };
}
