/**
 * Waits until `condition` gives something other than undefined, null or false, and gives it back. Asks every 20 ms at
 * first, less often the longer it takes; throws with `what` after `timeoutMs`.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string | (() => unknown) = 'the condition',
  timeoutMs = 20_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + timeoutMs;
  for (let pause = 20; ; pause = Math.min(pause * 1.3, 200)) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > end)
      throw new Error(`waited ${timeoutMs} ms in vain for ${typeof what === 'string' ? what : JSON.stringify(what())}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
