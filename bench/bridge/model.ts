import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { stampedWord } from '../fan-out/turns.js';
import type { Pacer } from './pacer.js';
import { delta, DELTA_MS, stampBehind } from './wire.js';

const APPEND = '{"type":"input_audio_buffer.append"';
/** A word about every 400 ms, as people speak. */
const DELTAS_PER_WORD = 8;

/**
 * The model's end of all calls: agents that never stop speaking, at the speed of speech. At `/plain` one speaks as soon as
 * the socket is open; elsewhere when it is asked to, as the protocol wants it.
 */
export class BenchModel {
  private speakers = 0;

  private constructor(
    private readonly server: WebSocketServer,
    private readonly pacer: Pacer,
    private readonly turnMs: number,
    private readonly onAudio: (bornMs: number) => void,
  ) {
    server.on('connection', (socket, request) => this.connected(socket, request.url?.startsWith('/plain') ?? false));
  }

  /** `turnMs`: length of one response; the next one follows at once. `onAudio`: the birth of each frame that came through. */
  static async listen(pacer: Pacer, turnMs: number, onAudio: (bornMs: number) => void): Promise<BenchModel> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await once(server, 'listening');
    return new BenchModel(server, pacer, turnMs, onAudio);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.server.clients) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private connected(socket: WebSocket, plain: boolean): void {
    const speaker = new Speaker(socket, `${(this.speakers += 1)}`, this.turnMs);
    const speak = (metadata?: unknown): void => {
      speaker.begin(metadata);
      const stop = this.pacer.every(DELTA_MS, (nowMs) => speaker.next(nowMs));
      socket.on('close', stop);
    };
    socket.on('message', (data: Buffer) => {
      const text = data.toString('latin1');
      if (text.startsWith(APPEND)) return this.onAudio(stampBehind(text, '"audio":"') ?? 0);
      const event = JSON.parse(text) as { type: string; session?: object; response?: { metadata?: unknown } };
      if (event.type === 'session.update') speaker.send('session.updated', { session: event.session });
      if (event.type === 'response.create' && !speaker.speaking) speak(event.response?.metadata);
    });
    if (plain) speak();
    else speaker.send('session.created', { session: {} });
  }
}

/** One agent's voice: responses back to back, each one item. */
class Speaker {
  speaking = false;
  private turn = 0;
  private deltas = 0;
  private words = '';

  constructor(
    private readonly socket: WebSocket,
    private readonly name: string,
    private readonly turnMs: number,
  ) {}

  begin(metadata?: unknown): void {
    this.speaking = true;
    this.turn += 1;
    this.deltas = 0;
    this.words = '';
    this.send('response.created', { response: { id: this.responseId, status: 'in_progress', metadata } });
    this.send('response.output_item.added', { response_id: this.responseId, output_index: 0, item: this.item });
    const previous_item_id = this.turn === 1 ? null : `item_${this.name}_${this.turn - 1}`;
    this.send('conversation.item.added', { previous_item_id, item: this.item });
  }

  next(nowMs: number): void {
    this.socket.send(delta(this.responseId, this.itemId, (this.deltas += 1), nowMs));
    if (this.deltas % DELTAS_PER_WORD === 0) this.word();
    if (this.deltas * DELTA_MS < this.turnMs) return;
    this.end();
    this.begin();
  }

  send(type: string, fields: object): void {
    this.socket.send(JSON.stringify({ type, event_id: `event_${this.name}`, ...fields }));
  }

  private word(): void {
    const ids = { response_id: this.responseId, item_id: this.itemId, output_index: 0, content_index: 0 };
    const word = `${stampedWord()} `;
    this.words += word;
    this.send('response.output_audio_transcript.delta', { ...ids, delta: word });
  }

  private end(): void {
    const ids = { response_id: this.responseId, item_id: this.itemId, output_index: 0, content_index: 0 };
    const content = [{ type: 'output_audio', transcript: this.words }];
    const item = { ...this.item, status: 'completed', content };
    this.send('response.output_audio.done', ids);
    this.send('response.output_audio_transcript.done', { ...ids, transcript: this.words });
    this.send('response.output_item.done', { response_id: this.responseId, output_index: 0, item });
    this.send('response.done', { response: { id: this.responseId, status: 'completed', output: [item] } });
  }

  private get responseId(): string {
    return `resp_${this.name}_${this.turn}`;
  }
  private get itemId(): string {
    return `item_${this.name}_${this.turn}`;
  }
  private get item(): object {
    return {
      id: this.itemId,
      object: 'realtime.item',
      type: 'message',
      role: 'assistant',
      status: 'in_progress',
      content: [],
    };
  }
}
