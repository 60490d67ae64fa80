import { MULAW_BYTES_PER_MS } from '../../lib/mulaw.js';
import type { Item } from './conversation.js';
import { wire } from './conversation.js';
import type { Reply } from './dialogue.js';
import { ProtocolError } from './session-config.js';
import type { SimulatedSession } from './session.js';

/** Audio per delta: irregular sizes, as servers send them. */
const DELTA_BYTES = [400, 1_600, 960, 2_400, 1_216];
/** Deltas come faster than they can be played, ms apart. */
const DELTA_EVERY_MS = 4;

export type CancelReason = 'turn_detected' | 'client_cancelled';

/** One response on the wire: words and function calls with their whole cascade, also when it is cancelled half-way. */
export class SimulatedResponse {
  readonly id: string;
  status: 'in_progress' | 'completed' | 'cancelled' | 'failed' = 'in_progress';
  private readonly output: Item[] = [];
  private timer: NodeJS.Timeout | null = null;
  private cancelled: CancelReason | null = null;
  /** Closes what is open on the wire, in order, when the response is cancelled. */
  private openCleanup: (() => void) | null = null;

  constructor(
    private readonly session: SimulatedSession,
    /** `conversation: "none"`: it does not touch the conversation, and others may run beside it. */
    readonly outOfBand: boolean,
    private readonly metadata: unknown,
  ) {
    this.id = session.newId('resp');
  }

  start(reply: Reply | null): void {
    this.session.emit('response.created', { response: this.object() });
    if (this.session.faults.malformed) this.session.sendRaw('{"type": "response.');
    if (this.session.faults.failResponses) return this.finish('failed');
    const steps: (() => void)[] = [];
    if (reply?.text) steps.push(() => this.speak(reply.text!));
    for (const call of reply?.calls ?? []) steps.push(() => this.call(call.name, call.arguments));
    steps.push(() => this.finish('completed'));
    this.steps = steps;
    this.later(reply?.thinkMs ?? 20, () => this.next());
  }
  private steps: (() => void)[] = [];

  /** Throws {@link ProtocolError} when it is over already. */
  cancel(reason: CancelReason): void {
    if (this.status !== 'in_progress')
      throw new ProtocolError('response_cancel_not_active', 'Cancellation failed: no active response found');
    this.cancelled = reason;
    if (this.timer !== null) clearTimeout(this.timer);
    this.openCleanup?.();
    this.finish('cancelled');
  }

  /** The session is over: nothing more is sent. */
  abandon(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.status = 'cancelled';
  }

  private later(ms: number, work: () => void): void {
    this.timer = setTimeout(work, ms);
  }

  private next(): void {
    this.steps.shift()?.();
  }

  private open(item: Item): number {
    const index = this.output.push(item) - 1;
    this.session.emit('response.output_item.added', { response_id: this.id, output_index: index, item: wire(item) });
    if (!this.outOfBand) {
      const previous = this.session.conversation.insert(item);
      this.session.emit('conversation.item.added', { item: wire(item), previous_item_id: previous });
    }
    return index;
  }

  private close(item: Item, index: number): void {
    if (!this.outOfBand)
      this.session.emit('conversation.item.done', {
        item: wire(item),
        previous_item_id: this.session.previousOf(item.id),
      });
    this.session.emit('response.output_item.done', { response_id: this.id, output_index: index, item: wire(item) });
  }

  private speak(text: string): void {
    const textOnly = this.session.config.output_modalities[0] === 'text';
    const item: Item = {
      id: this.session.newId('item'),
      object: 'realtime.item',
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
      generatedMs: 0,
    };
    const index = this.open(item);
    const at = { response_id: this.id, item_id: item.id, output_index: index, content_index: 0 };
    this.session.emit('response.content_part.added', {
      ...at,
      part: { type: textOnly ? 'text' : 'audio', ...(textOnly ? { text: '' } : { transcript: '' }) },
    });
    const audio = textOnly ? Buffer.alloc(0) : this.session.library.speak(text);
    const words = text.match(/\S+\s*/g) ?? [text];
    let sentBytes = 0;
    let sentWords = 0;
    const said = () => words.slice(0, sentWords).join('').trimEnd();
    const part = () => (textOnly ? { type: 'text', text: said() } : { type: 'audio', transcript: said() });
    const settle = (status: 'completed' | 'incomplete') => {
      item.status = status;
      item.content = [textOnly ? { type: 'output_text', text: said() } : { type: 'output_audio', transcript: said() }];
      if (textOnly) this.session.emit('response.output_text.done', { ...at, text: said() });
      else {
        this.session.emit('response.output_audio.done', at);
        this.session.emit('response.output_audio_transcript.done', { ...at, transcript: said() });
      }
      this.session.emit('response.content_part.done', { ...at, part: part() });
      this.close(item, index);
      this.openCleanup = null;
    };
    this.openCleanup = () => {
      settle('incomplete');
      if (this.session.faults.lateDeltas && sentBytes < audio.length)
        this.audioDelta(at, audio.subarray(sentBytes, sentBytes + 800));
    };
    const tick = (n: number) => {
      const share = textOnly
        ? (n + 1) / words.length
        : (sentBytes + DELTA_BYTES[n % DELTA_BYTES.length]!) / audio.length;
      for (; sentWords < Math.min(words.length, Math.ceil(share * words.length)); sentWords++)
        this.session.emit(textOnly ? 'response.output_text.delta' : 'response.output_audio_transcript.delta', {
          ...at,
          delta: words[sentWords]!,
        });
      if (!textOnly) {
        const piece = audio.subarray(sentBytes, sentBytes + DELTA_BYTES[n % DELTA_BYTES.length]!);
        sentBytes += piece.length;
        item.generatedMs = sentBytes / MULAW_BYTES_PER_MS;
        this.session.voiceLocked = true;
        this.audioDelta(at, piece);
      }
      if (textOnly ? sentWords < words.length : sentBytes < audio.length)
        return this.later(DELTA_EVERY_MS, () => tick(n + 1));
      settle('completed');
      this.later(1, () => this.next());
    };
    tick(0);
  }

  private audioDelta(at: object, piece: Buffer): void {
    this.session.emit('response.output_audio.delta', { ...at, delta: piece.toString('base64') });
  }

  private call(name: string, args: unknown): void {
    const item: Item = {
      id: this.session.newId('item'),
      object: 'realtime.item',
      type: 'function_call',
      status: 'in_progress',
      name,
      call_id: this.session.newId('call'),
      arguments: '',
    };
    const index = this.open(item);
    const text = JSON.stringify(args);
    const at = { response_id: this.id, item_id: item.id, output_index: index, call_id: item.call_id };
    const settle = (status: 'completed' | 'incomplete', so_far: string) => {
      item.status = status;
      item.arguments = so_far;
      this.session.emit('response.function_call_arguments.done', { ...at, name, arguments: so_far });
      this.close(item, index);
      this.openCleanup = null;
    };
    const half = text.slice(0, Math.ceil(text.length / 2));
    this.session.emit('response.function_call_arguments.delta', { ...at, delta: half });
    this.openCleanup = () => settle('incomplete', half);
    this.later(DELTA_EVERY_MS, () => {
      this.session.emit('response.function_call_arguments.delta', { ...at, delta: text.slice(half.length) });
      settle('completed', text);
      this.next();
    });
  }

  private finish(status: 'completed' | 'cancelled' | 'failed'): void {
    this.status = status;
    this.session.emit('response.done', { response: this.object() });
    this.session.responseOver(this);
  }

  private object(): object {
    const chars = this.output.reduce(
      (sum, item) => sum + JSON.stringify(item.content ?? item.arguments ?? '').length,
      0,
    );
    const details =
      this.status === 'cancelled'
        ? { type: 'cancelled', reason: this.cancelled }
        : this.status === 'failed'
          ? {
              type: 'failed',
              error: { type: 'server_error', code: 'internal_error', message: 'The server had an error' },
            }
          : null;
    return {
      id: this.id,
      object: 'realtime.response',
      status: this.status,
      status_details: details,
      output: this.output.map(wire),
      metadata: this.metadata ?? null,
      conversation_id: this.outOfBand ? null : 'conv_1',
      usage:
        this.status === 'in_progress'
          ? null
          : {
              total_tokens: 100 + chars,
              input_tokens: 100,
              output_tokens: chars,
              input_token_details: { text_tokens: 60, audio_tokens: 40, image_tokens: 0, cached_tokens: 0 },
              output_token_details: { text_tokens: Math.ceil(chars / 4), audio_tokens: chars - Math.ceil(chars / 4) },
            },
    };
  }
}
