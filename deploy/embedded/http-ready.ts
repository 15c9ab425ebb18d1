/** Whether something answers there with a 2xx: how every part says that it can be used, not only that it listens. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Not listening yet; whether it ended instead is watched by the caller.
    return false;
  }
}
