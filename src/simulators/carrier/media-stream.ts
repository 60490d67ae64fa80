import { WebSocket } from 'ws';
import { FRAME_BYTES, FRAME_MS, MULAW_SILENCE } from '../../lib/mulaw.js';
import type { Handset } from './caller.js';
import type { CarrierFaults } from './faults.js';
import type { Pacer } from './pacer.js';

export interface StreamOptions {
  url: string;
  /** Over the wss URL without its query. */
  signature: string;
  accountSid: string;
  callSid: string;
  streamSid: string;
  parameters: Record<string, string>;
  handset: Handset;
  pacer: Pacer;
  faults: CarrierFaults;
  /** Decides which frames the faults hit. */
  chance?: () => number;
  /** Certificates must be valid, as for the real one. */
  strict?: boolean;
  /** The upgrade was answered with 101. */
  onOpen?: () => void;
}

/** `server`: our peer closed it, and the next verb follows. `refused`: the upgrade was not answered with 101. */
export type StreamEnd = 'server' | 'hang-up' | 'redirected' | 'refused' | 'broken';

type Queued = { audio: Buffer; offset: number } | { mark: string };

/** One bidirectional media stream of Twilio: paced frames out, real-time playout of what comes in, marks and clear. */
export class MediaStream {
  readonly ended: Promise<StreamEnd>;
  /** Messages of the server that Twilio would warn about. */
  readonly warnings: string[] = [];
  /** Bytes that were waiting when `clear` came: speech that was never heard. */
  clearedBytes = 0;
  clears = 0;
  private finish!: (end: StreamEnd) => void;
  private over = false;
  private readonly socket: WebSocket;
  private queue: Queued[] = [];
  private sequence = 0;
  private chunk = 0;
  private mediaMs = 0;
  private remove: (() => void) | null = null;
  /** Frames that a fault holds back. */
  private late: object[] = [];

  constructor(private readonly options: StreamOptions) {
    this.ended = new Promise((resolve) => (this.finish = resolve));
    this.socket = new WebSocket(options.url, {
      headers: { 'x-twilio-signature': options.signature, 'user-agent': 'Twilio.TmeWs/1.0' },
      perMessageDeflate: false,
      handshakeTimeout: 5_000,
      rejectUnauthorized: options.strict ?? false,
    });
    this.socket.on('open', () => this.start());
    this.socket.on('message', (data: Buffer, isBinary) => this.receive(data.toString('utf8'), isBinary));
    this.socket.on('error', () => this.end(this.sequence === 0 ? 'refused' : 'server'));
    this.socket.on('close', () => this.end('server'));
  }

  /** The caller hung up, or the call was redirected: `stop`, then close. */
  stop(end: 'hang-up' | 'redirected'): void {
    if (this.over) return;
    const { accountSid, callSid } = this.options;
    this.send({ event: 'stop', stop: { accountSid, callSid } });
    this.end(end);
    this.socket.close(1000);
  }

  private end(end: StreamEnd): void {
    if (this.over) return;
    this.over = true;
    this.remove?.();
    this.finish(end);
  }

  private send(message: object): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.sequence++;
    this.socket.send(
      JSON.stringify({ ...message, sequenceNumber: String(this.sequence), streamSid: this.options.streamSid }),
    );
  }

  private start(): void {
    const { accountSid, callSid, streamSid, parameters, pacer } = this.options;
    this.socket.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
    this.send({
      event: 'start',
      start: {
        accountSid,
        streamSid,
        callSid,
        tracks: ['inbound'],
        mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
        customParameters: parameters,
      },
    });
    this.remove = pacer.add((missed) => this.tick(missed));
    this.options.onOpen?.();
  }

  /** `missed`: ticks that the machine was too late for; their frames are lost, the clock of the media goes on. */
  private tick(missed: number): void {
    const heard = this.play();
    const { frame, dtmf, hangUp, socket, lost } = this.options.handset.tick(heard);
    this.mediaMs += FRAME_MS * (missed + 1);
    if (socket !== undefined) return this.breakSocket(socket);
    if (dtmf !== undefined) this.send({ event: 'dtmf', dtmf: { track: 'inbound_track', digit: dtmf } });
    if (!lost) this.sendFrame(frame ?? SILENT_FRAME);
    if (hangUp) this.stop('hang-up');
  }

  private breakSocket(how: 'dies' | 'freezes'): void {
    if (how === 'dies') {
      this.end('broken');
      return this.socket.terminate();
    }
    // Nothing more is sent or read, and nobody is told: a network that swallows packets.
    this.remove?.();
    this.socket.pause();
  }

  private sendFrame(frame: Buffer): void {
    const { faults, chance = Math.random } = this.options;
    if (faults.stopFrames || (faults.dropFrames > 0 && chance() < faults.dropFrames)) return;
    this.late.push({
      event: 'media',
      media: {
        track: 'inbound',
        chunk: String(++this.chunk),
        timestamp: String(this.mediaMs),
        payload: frame.toString('base64'),
      },
    });
    if (faults.lateFrames > 0 && chance() < faults.lateFrames) return;
    for (const message of this.late.splice(0)) this.send(message);
  }

  /** 20 ms of playout at 8 bytes a millisecond; marks are echoed where they stand in the audio. */
  private play(): Buffer | null {
    let frame: Buffer | null = null;
    let filled = 0;
    while (this.queue.length > 0) {
      const head = this.queue[0]!;
      if ('mark' in head) {
        this.echo(head.mark);
        this.queue.shift();
        continue;
      }
      if (filled === FRAME_BYTES) break;
      frame ??= Buffer.alloc(FRAME_BYTES, MULAW_SILENCE);
      const copied = head.audio.copy(frame, filled, head.offset, head.offset + FRAME_BYTES - filled);
      filled += copied;
      head.offset += copied;
      if (head.offset >= head.audio.length) this.queue.shift();
    }
    return frame;
  }

  private echo(name: string): void {
    this.send({ event: 'mark', mark: { name } });
  }

  private receive(text: string, isBinary: boolean): void {
    const message = isBinary ? null : parseMessage(text);
    if (message === null) return void this.warnings.push('31950 message is not a JSON object');
    if (message.streamSid !== this.options.streamSid)
      return void this.warnings.push('31951 wrong or missing streamSid');
    if (message.event === 'media') {
      const payload = message.media?.payload;
      const audio = Buffer.from(typeof payload === 'string' ? payload : '', 'base64');
      if (audio.length === 0) return void this.warnings.push('31951 empty payload');
      this.queue.push({ audio, offset: 0 });
    } else if (message.event === 'mark') {
      const name = message.mark?.name;
      if (typeof name !== 'string' || name === '') return void this.warnings.push('31951 mark without a name');
      this.queue.push({ mark: name });
    } else if (message.event === 'clear') this.clear();
    else this.warnings.push(`31951 unknown event ${String(message.event)}`);
  }

  private clear(): void {
    this.clears++;
    const before = this.clearedBytes;
    for (const entry of this.queue.splice(0))
      if ('mark' in entry) this.echo(entry.mark);
      else this.clearedBytes += entry.audio.length - entry.offset;
    this.options.handset.cut?.(this.clearedBytes - before);
  }
}

/** What the server may send; nothing about it is certain. */
interface ServerMessage {
  event?: unknown;
  streamSid?: unknown;
  media?: { payload?: unknown } | null;
  mark?: { name?: unknown } | null;
}

function parseMessage(text: string): ServerMessage | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

const SILENT_FRAME = Buffer.alloc(FRAME_BYTES, MULAW_SILENCE);
