/**
 * One at a time per key, within this process, in order of arrival. A convenience that spares the database a crowd, never
 * a guarantee: whoever has waited long enough goes ahead.
 */
export class Turns {
  private readonly tails = new Map<string, Promise<void>>();

  /** Resolves when it is this one's turn, at the latest after `patienceMs`. Call what it gives when done, once. */
  async take(key: string, patienceMs: number): Promise<() => void> {
    const before = this.tails.get(key);
    let done = () => {};
    const mine = new Promise<void>((resolve) => (done = resolve));
    const tail = before === undefined ? mine : before.then(() => mine);
    this.tails.set(key, tail);
    if (before !== undefined) await atMost(patienceMs, before);
    return () => {
      done();
      if (this.tails.get(key) === tail) this.tails.delete(key);
    };
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
