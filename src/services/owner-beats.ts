import type { ServiceContext } from './context.js';

interface Beat extends PromiseWithResolvers<boolean> {
  sessionId: string;
  generation: number;
}

/**
 * The signs of life of all calls of a process, stored together: with a statement each they would cost more than the audio
 * of the calls.
 */
export class OwnerBeats {
  private waiting: Beat[] = [];

  constructor(private readonly context: ServiceContext) {}

  /** Stores, with the others of the next moment, that this owner lives. False: another one took over, or it has ended. */
  beat(sessionId: string, generation: number): Promise<boolean> {
    const beat = { sessionId, generation, ...Promise.withResolvers<boolean>() };
    this.waiting.push(beat);
    if (this.waiting.length === 1) setTimeout(() => void this.write(), this.context.settings.timing.beatBatchMs);
    return beat.promise;
  }

  private async write(): Promise<void> {
    const beats = this.waiting;
    this.waiting = [];
    try {
      const stored = await this.storeTogether(beats);
      for (const beat of beats)
        if (stored.has(beat.sessionId)) beat.resolve(true);
        else this.storeAlone(beat).then(beat.resolve, beat.reject);
    } catch (error) {
      for (const beat of beats) beat.reject(error);
    }
  }

  /** Rows that somebody else is writing are left out: one that is held for long must not stop the life of all the others. */
  private async storeTogether(beats: readonly Beat[]): Promise<Set<string>> {
    const rows = await this.em().execute<{ id: string }[]>(
      `update voice_session set owner_beat_at = ? where id in (
         select s.id from voice_session s
           join (values ${beats.map(() => '(?::uuid, ?::int)').join(', ')}) as beat (id, generation)
             on s.id = beat.id and s.owner_generation = beat.generation
          where s.status = 'ACTIVE' for update of s skip locked) returning id`,
      [this.context.clock.now(), ...beats.flatMap(({ sessionId, generation }) => [sessionId, generation])],
    );
    return new Set(rows.map((row) => row.id));
  }

  private async storeAlone({ sessionId, generation }: Beat): Promise<boolean> {
    const rows = await this.em().execute<unknown[]>(
      `update voice_session set owner_beat_at = ? where id = ? and owner_generation = ? and status = 'ACTIVE' returning id`,
      [this.context.clock.now(), sessionId, generation],
    );
    return rows.length > 0;
  }

  private em() {
    return this.context.database.em({ all: true });
  }
}
