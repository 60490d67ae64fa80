/** Wakes one waiter. A ring while nobody waits is not lost. */
export class Bell {
  private rung = false;
  private wake: () => void = () => {};

  ring(): void {
    this.rung = true;
    this.wake();
  }

  /** Forgets the rings so far. True: there was one. */
  hush(): boolean {
    const { rung } = this;
    this.rung = false;
    return rung;
  }

  /** Resolves when it was rung since the last hush; after `ms` in any case. */
  async heard(ms?: number): Promise<void> {
    if (this.rung) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }
}
