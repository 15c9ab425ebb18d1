/** Milliseconds of the processor that something takes which waits for nothing: on a busy machine every clock runs on. */
export function processorMs(act: () => unknown): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
