import { wire, type Item } from './conversation.js';
import type { Reply } from './dialogue.js';
import { ProtocolError } from './parameters.js';
import { FunctionCall, Utterance, type ResponsePart } from './response-parts.js';
import type { SessionConfig } from './session-config.js';
import type { SimulatedSession } from './session.js';
import { tokensOf, usageOf, type Usage } from './usage.js';

const THINK_MS = 20;

type Status = 'in_progress' | 'completed' | 'cancelled' | 'failed' | 'incomplete';
export type CancelReason = 'turn_detected' | 'client_cancelled';

export interface ResponseOptions {
  /** `conversation: "none"`: it does not touch the conversation, and others may run beside it. */
  outOfBand: boolean;
  metadata: unknown;
  /** The session's settings with those of `response.create`. */
  config: SessionConfig;
  /** What the model reads. */
  input: readonly Item[];
}

/** One response on the wire: words and function calls with their whole cascade, also when it is cancelled half-way. */
export class SimulatedResponse {
  readonly id: string;
  status: Status = 'in_progress';
  private readonly output: Item[] = [];
  private timer: NodeJS.Timeout | undefined;
  private cancelReason: CancelReason | null = null;
  private waiting: ResponsePart[] = [];
  private current: ResponsePart | null = null;
  private startedAtMs = 0;
  private usage: Usage | null = null;

  constructor(
    readonly session: SimulatedSession,
    private readonly options: ResponseOptions,
  ) {
    this.id = session.newId('resp');
  }

  get outOfBand(): boolean {
    return this.options.outOfBand;
  }

  /** How long its audio still plays, if playing began with the first of it. */
  get playsForMs(): number {
    const audioMs = this.output.reduce((sum, item) => sum + (item.audioMs ?? 0), 0);
    return Math.max(0, audioMs - (performance.now() - this.startedAtMs));
  }

  start(reply: Reply | null): void {
    this.session.emit('response.created', { response: this.object() });
    this.session.emit('rate_limits.updated', { rate_limits: RATE_LIMITS });
    if (this.session.faults.malformed) this.session.sendRaw('{"type": "response.');
    if (this.session.faults.failResponses) return this.finish('failed');
    const { config } = this.options;
    if (reply?.text) this.waiting.push(new Utterance(this, reply.text, config.output_modalities[0] === 'text'));
    if (config.tool_choice !== 'none')
      for (const call of reply?.calls ?? []) this.waiting.push(new FunctionCall(this, call.name, call.arguments));
    this.later(reply?.thinkMs ?? THINK_MS, () => this.next());
  }

  /** Throws {@link ProtocolError} when it is over already. */
  cancel(reason: CancelReason): void {
    if (this.status !== 'in_progress')
      throw new ProtocolError('response_cancel_not_active', 'Cancellation failed: no active response found');
    this.cancelReason = reason;
    const { lateDeltas } = this.session.faults;
    this.current?.interrupt();
    if (lateDeltas) this.current?.late();
    this.finish('cancelled');
    if (lateDeltas) this.current?.late();
  }

  /** The session is over: nothing more is sent. */
  abandon(): void {
    clearTimeout(this.timer);
    this.status = 'cancelled';
  }

  later(ms: number, work: () => void): void {
    this.timer = setTimeout(work, ms);
  }

  /** The part that was running is done. */
  next(): void {
    this.current = this.waiting.shift() ?? null;
    if (this.startedAtMs === 0) this.startedAtMs = performance.now();
    if (this.current === null) this.finish('completed');
    else this.current.start();
  }

  /** Has the response said more than `max_output_tokens`? */
  overBudget(item: Item, said: () => string): boolean {
    const limit = this.options.config.max_output_tokens;
    if (limit === 'inf') return false;
    const content = [{ type: 'output_audio', transcript: said() }];
    const { text, audio } = tokensOf([...this.output.filter((other) => other !== item), { ...item, content }]);
    return text + audio >= limit;
  }

  /** Puts a new item on the wire; gives its index. */
  open(item: Item): number {
    const index = this.output.push(item) - 1;
    this.session.emit('response.output_item.added', { response_id: this.id, output_index: index, item: wire(item) });
    if (!this.outOfBand) {
      const previous = this.session.conversation.insert(item);
      this.session.emit('conversation.item.added', { item: wire(item), previous_item_id: previous });
    }
    return index;
  }

  close(item: Item, index: number): void {
    if (!this.outOfBand)
      this.session.emit('conversation.item.done', {
        item: wire(item),
        previous_item_id: this.session.conversation.before(item.id),
      });
    this.session.emit('response.output_item.done', { response_id: this.id, output_index: index, item: wire(item) });
  }

  finish(status: Exclude<Status, 'in_progress'>): void {
    clearTimeout(this.timer);
    this.status = status;
    this.usage = usageOf(this.options.config, this.options.input, this.output, this.session.tokensRead);
    this.session.tokensRead = this.usage.input_tokens;
    this.session.emit('response.done', { response: this.object() });
    this.session.responseOver(this);
  }

  private object(): object {
    const { config, metadata } = this.options;
    return {
      id: this.id,
      object: 'realtime.response',
      status: this.status,
      status_details: this.details(),
      output: this.output.map(wire),
      output_modalities: config.output_modalities,
      max_output_tokens: config.max_output_tokens,
      audio: { output: { format: config.audio.output.format, voice: config.audio.output.voice } },
      metadata: metadata ?? null,
      conversation_id: this.outOfBand ? null : this.session.conversationId,
      usage: this.usage,
    };
  }

  private details(): object | null {
    switch (this.status) {
      case 'cancelled':
        return { type: 'cancelled', reason: this.cancelReason };
      case 'incomplete':
        return { type: 'incomplete', reason: 'max_output_tokens' };
      case 'failed':
        return {
          type: 'failed',
          error: { ...this.session.faults.failResponses, message: 'This response was made to fail.' },
        };
      default:
        return null;
    }
  }
}

const RATE_LIMITS = [
  { name: 'requests', limit: 5_000, remaining: 4_999, reset_seconds: 0.012 },
  { name: 'tokens', limit: 1_000_000, remaining: 999_000, reset_seconds: 0.06 },
];
