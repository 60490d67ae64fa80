import { MULAW_BYTES_PER_MS } from '../../lib/mulaw.js';
import type { Item } from './conversation.js';
import type { SimulatedResponse } from './response.js';

/** Audio per delta: irregular sizes, as servers send them. */
const DELTA_BYTES = [400, 1_600, 960, 2_400, 1_216];
/** Deltas come faster than they can be played, ms apart. */
export const DELTA_EVERY_MS = 4;

/** One output item of a response while it is being made. */
export interface ResponsePart {
  readonly item: Item;
  start(): void;
  /** Closes on the wire, in order, what is open. */
  interrupt(): void;
  /** What still comes although it was interrupted (a fault). */
  late(): void;
}

/** Words, spoken or (`textOnly`) written: transcript and audio interleaved, then everything that is `done`. */
export class Utterance implements ResponsePart {
  readonly item: Item;
  private index = 0;
  private readonly audio: Buffer;
  private readonly words: string[];
  private sentBytes = 0;
  private sentWords = 0;
  private settled = false;

  constructor(
    private readonly response: SimulatedResponse,
    text: string,
    private readonly textOnly: boolean,
  ) {
    this.item = {
      id: response.session.newId('item'),
      object: 'realtime.item',
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
      ...(textOnly ? {} : { audioMs: 0 }),
    };
    this.audio = textOnly ? Buffer.alloc(0) : response.session.library.speak(text);
    this.words = text.match(/\S+\s*/g) ?? [text];
  }

  start(): void {
    this.index = this.response.open(this.item);
    this.emit('response.content_part.added', { part: this.part() });
    this.tick(0);
  }

  interrupt(): void {
    if (!this.settled) this.settle('incomplete');
  }

  late(): void {
    if (this.sentBytes < this.audio.length) this.sendAudio(this.audio.subarray(this.sentBytes, this.sentBytes + 800));
  }

  private get said(): string {
    return this.words.slice(0, this.sentWords).join('').trimEnd();
  }

  private tick(n: number): void {
    const bytes = DELTA_BYTES[n % DELTA_BYTES.length]!;
    const share = this.textOnly ? (n + 1) / this.words.length : (this.sentBytes + bytes) / this.audio.length;
    const due = Math.min(this.words.length, Math.ceil(share * this.words.length));
    for (; this.sentWords < due; this.sentWords++)
      this.emit(this.textOnly ? 'response.output_text.delta' : 'response.output_audio_transcript.delta', {
        delta: this.words[this.sentWords]!,
      });
    if (!this.textOnly) this.nextAudio(bytes);
    const unfinished = this.textOnly ? this.sentWords < this.words.length : this.sentBytes < this.audio.length;
    if (this.response.overBudget(this.item, () => this.said)) {
      this.settle(unfinished ? 'incomplete' : 'completed');
      return this.response.finish(unfinished ? 'incomplete' : 'completed');
    }
    if (unfinished) return this.response.later(DELTA_EVERY_MS, () => this.tick(n + 1));
    this.settle('completed');
    this.response.later(1, () => this.response.next());
  }

  private nextAudio(bytes: number): void {
    const piece = this.audio.subarray(this.sentBytes, this.sentBytes + bytes);
    this.sentBytes += piece.length;
    this.item.audioMs = this.sentBytes / MULAW_BYTES_PER_MS;
    this.response.session.voiceLocked = true;
    this.sendAudio(piece);
  }

  private settle(status: 'completed' | 'incomplete'): void {
    this.settled = true;
    this.item.status = status;
    const type = this.textOnly ? 'output_text' : 'output_audio';
    this.item.content = [{ ...this.part(), type }];
    if (this.textOnly) this.emit('response.output_text.done', { text: this.said });
    else {
      this.emit('response.output_audio.done', {});
      this.emit('response.output_audio_transcript.done', { transcript: this.said });
    }
    this.emit('response.content_part.done', { part: this.part() });
    this.response.close(this.item, this.index);
  }

  private part(): { type: string; text?: string; transcript?: string } {
    return this.textOnly ? { type: 'text', text: this.said } : { type: 'audio', transcript: this.said };
  }

  private sendAudio(piece: Buffer): void {
    this.emit('response.output_audio.delta', { delta: piece.toString('base64') });
  }

  private emit(type: string, fields: object): void {
    this.response.session.emit(type, {
      response_id: this.response.id,
      item_id: this.item.id,
      output_index: this.index,
      content_index: 0,
      ...fields,
    });
  }
}

/** A function call: its arguments stream in two pieces; interrupted between them they are half a JSON. */
export class FunctionCall implements ResponsePart {
  readonly item: Item;
  private index = 0;
  private readonly args: string;
  private settled = false;

  constructor(
    private readonly response: SimulatedResponse,
    name: string,
    args: unknown,
  ) {
    this.args = JSON.stringify(args);
    this.item = {
      id: response.session.newId('item'),
      object: 'realtime.item',
      type: 'function_call',
      status: 'in_progress',
      name,
      call_id: response.session.newId('call'),
      arguments: '',
    };
  }

  start(): void {
    this.index = this.response.open(this.item);
    const half = this.args.slice(0, Math.ceil(this.args.length / 2));
    this.delta(half);
    this.response.later(DELTA_EVERY_MS, () => {
      this.delta(this.args.slice(half.length));
      this.settle('completed');
      this.response.next();
    });
  }

  interrupt(): void {
    if (!this.settled) this.settle('incomplete');
  }

  late(): void {}

  private delta(piece: string): void {
    this.item.arguments += piece;
    this.emit('response.function_call_arguments.delta', { delta: piece });
  }

  private settle(status: 'completed' | 'incomplete'): void {
    this.settled = true;
    this.item.status = status;
    const { name, arguments: args } = this.item;
    this.emit('response.function_call_arguments.done', { name, arguments: args });
    this.response.close(this.item, this.index);
  }

  private emit(type: string, fields: object): void {
    this.response.session.emit(type, {
      response_id: this.response.id,
      item_id: this.item.id,
      output_index: this.index,
      call_id: this.item.call_id,
      ...fields,
    });
  }
}
