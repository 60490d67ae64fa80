import { WebSocket } from 'ws';
import type { TestGateway } from './gateway.js';

/** One message of `/api/v1/live-audio`. */
export interface LiveAudioMessage {
  type: string;
  side: 'caller' | 'agent' | 'supervisor';
  timestamp_ms: number;
  payload: string;
}

export interface LiveListenerOptions {
  /** Null: shows nothing at all. */
  key: string | null;
  headers?: Record<string, string>;
  /** The first message. */
  first?: string;
}

/** Somebody who listens in to a call. */
export class LiveListener {
  readonly messages: LiveAudioMessage[] = [];
  readonly socket: WebSocket;
  /** The close code. */
  readonly closed: Promise<number>;

  constructor(at: Pick<TestGateway, 'origin'>, call: string, { key, headers = {}, first }: LiveListenerOptions) {
    const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const url = `${at.origin.replace('http', 'ws')}/api/v1/live-audio${call === '' ? '' : `?call_id=${call}`}`;
    this.socket = new WebSocket(url, { headers: { ...authorization, ...headers } });
    if (first !== undefined) this.socket.on('open', () => this.socket.send(first));
    this.socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString())));
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
  }

  /** Everything heard of one side, µ-law. */
  audio(side: string): Buffer {
    const frames = this.messages.filter((message) => message.type === 'media' && message.side === side);
    return Buffer.concat(frames.map(({ payload }) => Buffer.from(payload, 'base64')));
  }
}
