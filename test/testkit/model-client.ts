import { OpenAIRealtime } from '../../src/adapters/model/openai-realtime.js';
import { FRAME_BYTES, MULAW_SILENCE } from '../../src/lib/mulaw.js';
import { silentLogger } from '../../src/ports/logger.js';
import type { RealtimeClose, RealtimeConnection, RealtimeServerEvent } from '../../src/ports/realtime-model.js';
import type { ModelSimulator } from '../../src/simulators/model/server.js';
import { until } from './until.js';

/** A session as the gateway has it: µ-law both ways, transcribed. */
export const SESSION = {
  type: 'realtime',
  audio: {
    input: { format: { type: 'audio/pcmu' }, transcription: { model: 'gpt-4o-mini-transcribe' } },
    output: { format: { type: 'audio/pcmu' }, voice: 'marin' },
  },
};

/** A client of the model simulator through the adapter, for tests of the simulator. */
export class ModelClient {
  readonly events: RealtimeServerEvent[] = [];
  audioBytes = 0;
  closed: RealtimeClose | null = null;
  readonly connection: RealtimeConnection;

  constructor(
    private readonly simulator: ModelSimulator,
    apiKey = simulator.apiKey,
  ) {
    const model = new OpenAIRealtime({ apiKey, url: simulator.realtimeUrl, provider: 'simulator', log: silentLogger });
    this.connection = model.connect(
      { model: 'gpt-realtime' },
      {
        onOpen: () => {},
        onEvent: (event) => this.events.push(event),
        onAudio: (delta) => (this.audioBytes += Buffer.from(delta.audio, 'base64').length),
        onClose: (info) => (this.closed = info),
      },
    );
  }
  /** Connected and configured; `input` goes over the settings of the input audio. */
  static async ready(simulator: ModelSimulator, input: object = {}): Promise<ModelClient> {
    const client = new ModelClient(simulator);
    await client.event('session.created');
    const audio = { ...SESSION.audio, input: { ...SESSION.audio.input, ...input } };
    client.connection.send({ type: 'session.update', session: { ...SESSION, audio } });
    await client.event('session.updated');
    return client;
  }
  types(): string[] {
    return this.events.map((e) => e.type);
  }
  event(type: string): Promise<RealtimeServerEvent> {
    return until(
      () => this.events.find((e) => e.type === type),
      () => [type, this.types()],
    );
  }
  /** Says a clip to the model, or any audio, and is silent for a while. */
  say(speech: string | Buffer): void {
    const audio = typeof speech === 'string' ? this.simulator.library.clip(speech) : speech;
    for (let at = 0; at < audio.length; at += FRAME_BYTES)
      this.connection.appendAudio(audio.subarray(at, at + FRAME_BYTES).toString('base64'));
    for (let i = 0; i < 40; i++)
      this.connection.appendAudio(Buffer.alloc(FRAME_BYTES, MULAW_SILENCE).toString('base64'));
  }
  /** Waits for the nth event of a type. */
  nth(type: string, n: number): Promise<RealtimeServerEvent> {
    return until(
      () => this.events.filter((e) => e.type === type)[n - 1],
      () => [type, this.types()],
    );
  }
  /** The errors so far, in order. */
  get errors(): { code: string | null; message: string; param: string | null; event_id: string | null }[] {
    return this.events.filter((e) => e.type === 'error').map((e) => e.error as never);
  }
}
