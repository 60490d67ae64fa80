import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { AppError } from '../lib/errors.js';
import { hangUp } from '../lib/hang-up.js';
import { newId } from '../lib/ids.js';
import type { Logger } from '../ports/logger.js';
import type { RateLimiter } from '../ports/rate-limiter.js';
import type { TopicBus } from '../pubsub/topics.js';
import { CredentialWatch, type Holder } from '../services/credential-watch.js';
import { credentialsOf, credentialsOfInit } from '../services/credentials.js';
import type { AudioFrame, ListenedCall, LiveAudio } from '../services/live-audio.js';
import type { RequestFacts, Viewer } from '../services/viewer.js';
import type { Credentials, Viewers } from '../services/viewers.js';
import { CLOSE, closeFor, type Close } from './socket-close.js';

/** Milliseconds. */
export interface LiveAudioTiming {
  /** A credential that is not in the headers must be the first message within this. */
  credentialMs: number;
  /** Pings; whoever has not answered one by the next takes nothing any more. */
  pingMs: number;
  /** Credentials are looked at again this often: expiry, and revocations that the bus lost. */
  recheckMs: number;
}

export interface LiveAudioRouteOptions {
  viewers: Viewers;
  audio: LiveAudio;
  topics: TopicBus;
  /** Whose connection it is, behind proxies too. */
  addressOf: (request: IncomingMessage) => string | null;
  /** Where browsers see this server. */
  publicUrl: string;
  limiter: RateLimiter;
  rateLimitPerIp: number;
  log: Logger;
  timing?: Partial<LiveAudioTiming> | undefined;
}

const DEFAULT_TIMING: LiveAudioTiming = { credentialMs: 10_000, pingMs: 10_000, recheckMs: 5_000 };
/** A credential and a little more. */
const MAX_MESSAGE_BYTES = 4 * 1024;
/** Over ten seconds of both sides that a listener has not taken. */
const MAX_BUFFERED_BYTES = 512 * 1024;
const MAX_LISTENERS = 1_000;
/** Whoever fell behind may still read what was sent to them, up to the close frame behind it. */
const CLOSE_TIMEOUT_MS = 10_000;
/** The same when the process leaves. */
const LEAVING_TIMEOUT_MS = 1_000;

/** Somebody who listens. */
interface Listener extends Holder {
  socket: WebSocket;
}

/** All listeners of one call in this process: one subscription, one encoded text per frame. */
interface Room {
  listeners: Set<Listener>;
  leave: Promise<() => void>;
}

/**
 * The door of `/api/v1/live-audio?call_id=…`: both sides of one call as JSON messages. A listener who does not keep up is
 * dropped; the call never notices.
 */
export class LiveAudioRoute {
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  private readonly rooms = new Map<string, Room>();
  private readonly answered = new WeakSet<WebSocket>();
  private readonly timing: LiveAudioTiming;
  private readonly watch: CredentialWatch<Listener>;
  private pings: NodeJS.Timeout | undefined;

  constructor(private readonly options: LiveAudioRouteOptions) {
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.watch = new CredentialWatch(
      options,
      this.timing.recheckMs,
      () => this.listeners,
      ({ socket }) => hangUp(socket, CLOSE.forbidden, CLOSE_TIMEOUT_MS),
    );
  }

  /** How many listen in this process. */
  get size(): number {
    return this.listeners.length;
  }

  /** Follows revocations; once the bus is there. */
  async start(): Promise<void> {
    this.pings = setInterval(() => this.ping(), this.timing.pingMs).unref();
    await this.watch.start();
  }

  async close(): Promise<void> {
    clearInterval(this.pings);
    this.watch.stop();
    for (const socket of this.sockets.clients) hangUp(socket, CLOSE.goingAway, LEAVING_TIMEOUT_MS);
    await new Promise<void>((resolve) => this.sockets.close(() => resolve()));
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Refusals are close codes: a browser cannot read the status of a refused upgrade.
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => ws.terminate());
      ws.on('pong', () => this.answered.add(ws));
      this.answered.add(ws);
      this.admit(ws, request).catch((error: unknown) => {
        const close = closeFor(error);
        if (close === CLOSE.failed) this.options.log.error({ err: error }, 'a listener could not be admitted');
        hangUp(ws, close, CLOSE_TIMEOUT_MS);
      });
    });
  }

  private async admit(socket: WebSocket, request: IncomingMessage): Promise<void> {
    const address = this.options.addressOf(request);
    const ref = new URLSearchParams((request.url ?? '').split('?')[1]).get('call_id') ?? '';
    if (ref === '' || ref.length > 100) return hangUp(socket, CLOSE.badRequest, CLOSE_TIMEOUT_MS);
    if (this.sockets.clients.size > MAX_LISTENERS) return hangUp(socket, CLOSE.tooMany, CLOSE_TIMEOUT_MS);
    const credentials =
      credentialsOf(request.headers, this.options.publicUrl) ?? (await firstMessage(socket, this.timing.credentialMs));
    const facts = { requestId: newId(), address };
    const viewer = await this.identify(credentials, facts);
    if (viewer === null) return hangUp(socket, CLOSE.tooMany, CLOSE_TIMEOUT_MS);
    const call = await this.options.audio.find(viewer, ref);
    if (socket.readyState === socket.OPEN) this.seat(call, { socket, viewer, credentials, facts });
  }

  /** Null: this address has tried too often. */
  private async identify(credentials: Credentials, facts: RequestFacts): Promise<Viewer | null> {
    const { viewers, limiter, rateLimitPerIp } = this.options;
    try {
      return await viewers.authenticate(credentials, facts);
    } catch (error) {
      const { allowed } = await limiter.take(`ip:${facts.address}`, rateLimitPerIp);
      if (allowed) throw error;
      return null;
    }
  }

  private seat(call: ListenedCall, listener: Listener): void {
    const { sessionId } = call;
    const { socket } = listener;
    const format = { encoding: 'audio/x-mulaw', sample_rate: 8_000, channels: 1 };
    const started = { type: 'started', call_id: call.callId, call_sid: call.callSid, session_id: sessionId, format };
    socket.send(JSON.stringify(started));
    const room = this.rooms.get(sessionId) ?? this.open(sessionId);
    room.listeners.add(listener);
    socket.once('close', () => {
      room.listeners.delete(listener);
      if (room.listeners.size === 0) this.shut(sessionId, room);
    });
  }

  private open(sessionId: string): Room {
    const listeners = new Set<Listener>();
    const endAll = (close: Close): void => {
      this.rooms.delete(sessionId);
      for (const { socket } of listeners) hangUp(socket, close, CLOSE_TIMEOUT_MS);
    };
    const leave = this.options.audio.follow(
      sessionId,
      (frame) => this.tell(listeners, frame),
      () => {
        for (const { socket } of listeners) socket.send('{"type":"ended"}');
        endAll(CLOSE.ended);
      },
    );
    leave.catch((error: unknown) => {
      this.options.log.warn({ err: error, sessionId }, 'a call could not be listened to');
      endAll(CLOSE.failed);
    });
    const room = { listeners, leave };
    this.rooms.set(sessionId, room);
    return room;
  }

  private shut(sessionId: string, room: Room): void {
    if (this.rooms.get(sessionId) === room) this.rooms.delete(sessionId);
    room.leave.then(
      (leave) => leave(),
      () => {},
    );
  }

  private tell(listeners: ReadonlySet<Listener>, { side, payload, timestampMs }: AudioFrame): void {
    const text =
      payload === ''
        ? `{"type":"clear","side":"${side}","timestamp_ms":${timestampMs}}`
        : `{"type":"media","side":"${side}","timestamp_ms":${timestampMs},"payload":"${payload}"}`;
    for (const { socket } of listeners) {
      if (socket.readyState !== socket.OPEN) continue;
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES) hangUp(socket, CLOSE.slow, CLOSE_TIMEOUT_MS);
      else socket.send(text);
    }
  }

  private ping(): void {
    for (const socket of this.sockets.clients) {
      if (this.answered.delete(socket)) socket.ping();
      else hangUp(socket, CLOSE.slow, CLOSE_TIMEOUT_MS);
    }
  }

  /** Those that were dropped and have not gone yet do not count. */
  private get listeners(): Listener[] {
    return [...this.rooms.values()].flatMap(({ listeners }) =>
      [...listeners].filter(({ socket }) => socket.readyState === socket.OPEN),
    );
  }
}

/** The credential of a client that cannot send headers: `{"authorization": "Bearer …"}`. Throws UNAUTHENTICATED. */
async function firstMessage(socket: WebSocket, patienceMs: number): Promise<Credentials> {
  const text = await new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve(''), patienceMs);
    const done = (said: string): void => {
      clearTimeout(timer);
      resolve(said);
    };
    socket.once('message', (data: Buffer, isBinary) => done(isBinary ? '' : data.toString()));
    socket.once('close', () => done(''));
  });
  const credentials = credentialsOfInit(parsed(text));
  if (credentials === null) throw new AppError('UNAUTHENTICATED', 'The first message must be the credential');
  return credentials;
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
