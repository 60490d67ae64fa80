import { spokenForm } from '../../lib/phrases.js';
import type { RealtimeModel, RealtimeServerEvent } from '../../ports/realtime-model.js';
import { callerSession } from './caller-session.js';

/** For one line to be spoken. */
const LINE_TIMEOUT_MS = 30_000;
/** A model that paraphrases is asked once more. */
const TRIES = 2;
/** Lines kept; the same scenario is played many times in a run. */
const MAX_KEPT = 100;

const INSTRUCTIONS =
  'You are the voice of a caller on the telephone. You say what you are told to say, word for word, in a natural tone, ' +
  'and nothing before or after it.';

/** Lines spoken word for word by a realtime session, as µ-law audio. */
export class SpokenLines {
  private readonly kept = new Map<string, Promise<Buffer>>();

  constructor(private readonly model: RealtimeModel) {}

  /** Throws when the line cannot be had in these words. */
  say(text: string, model: string): Promise<Buffer> {
    const key = `${model}\n${text}`;
    const known = this.kept.get(key);
    if (known !== undefined) return known;
    const audio = this.speak(text, model);
    this.kept.set(key, audio);
    // A failure is not kept: the next call may have more luck.
    audio.catch(() => this.kept.delete(key));
    if (this.kept.size > MAX_KEPT) this.kept.delete(this.kept.keys().next().value!);
    return audio;
  }

  private async speak(text: string, model: string): Promise<Buffer> {
    let heard = '';
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const spoken = await this.once(text, model);
      if (spokenForm(spoken.transcript) === spokenForm(text)) return spoken.audio;
      heard = spoken.transcript;
    }
    throw new Error(`the model said something else than the line “${text}”: “${heard}”`);
  }

  private once(text: string, model: string): Promise<{ audio: Buffer; transcript: string }> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let transcript = '';
      const finish = (error: Error | null) => {
        clearTimeout(timer);
        connection.close();
        if (error === null) resolve({ audio: Buffer.concat(pieces), transcript });
        else reject(error);
      };
      const timer = setTimeout(() => finish(new Error('the line was not spoken in time')), LINE_TIMEOUT_MS);
      const onEvent = (event: RealtimeServerEvent) => {
        if (event.type === 'response.output_audio_transcript.done' && typeof event['transcript'] === 'string')
          transcript += event['transcript'];
        if (event.type !== 'response.done') return;
        const status = (event['response'] as { status?: unknown } | undefined)?.status;
        finish(status === 'completed' ? null : new Error(`the line was not spoken: ${String(status)}`));
      };
      const connection = callerSession(
        this.model,
        { model, instructions: INSTRUCTIONS, turnDetection: null, tools: [] },
        {
          onReady: () =>
            connection.send({
              type: 'response.create',
              response: { instructions: `Say exactly: ${JSON.stringify(text)}` },
            }),
          onEvent,
          onAudio: (audio) => pieces.push(Buffer.from(audio, 'base64')),
          onLost: (why) => finish(new Error(why)),
        },
      );
    });
  }
}
