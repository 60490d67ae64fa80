import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';
import { AppError, type ErrorCode } from '../../src/lib/errors.js';
import { BridgeRegistry } from '../../src/media/bridge-registry.js';
import { Ticker } from '../../src/media/deadlines.js';
import { StreamRoute, type StreamRouteOptions } from '../../src/media/stream-route.js';
import { systemClock } from '../../src/ports/clock.js';
import { silentLogger } from '../../src/ports/logger.js';
import { noMediaMetrics } from '../../src/ports/media-metrics.js';
import type { CallPlan, ClaimedSession, StreamStart } from '../../src/ports/media-session.js';
import type { RealtimeModel } from '../../src/ports/realtime-model.js';
import { aPlan } from './call-plan.js';
import { FakeControl, FakeRecorder } from './media-doubles.js';

/** What a token opens in these tests. */
export class StreamSession {
  readonly recorder = new FakeRecorder();
  readonly control = new FakeControl();
  claims: StreamStart[] = [];
  /** Holds the claim until the test lets it go. */
  gate: Promise<void> = Promise.resolve();

  constructor(readonly plan: Partial<CallPlan>) {}

  get ended(): boolean {
    return this.control.deeds.some((deed) => deed.startsWith('streamEnded'));
  }
}

/** `/media-stream` on a free port, in front of sessions that the test makes. */
export class StreamDoor {
  readonly registry = new BridgeRegistry();
  readonly refused: number[] = [];
  malformed = 0;
  readonly route: StreamRoute;
  private readonly sessions = new Map<string, StreamSession>();
  private readonly refusals = new Map<string, ErrorCode>();
  private readonly http: Server;
  private count = 0;

  private constructor(model: RealtimeModel, options: Partial<StreamRouteOptions>) {
    this.route = new StreamRoute({
      context: {
        model,
        clock: systemClock,
        log: silentLogger,
        metrics: {
          ...noMediaMetrics,
          streamRefused: (code) => void this.refused.push(code),
          malformedMessage: () => void (this.malformed += 1),
        },
        ticker: new Ticker(systemClock),
      },
      sessions: { claim: (start) => this.claim(start) },
      registry: this.registry,
      verify: ({ signature, accountSid, target }) => Promise.resolve(signature === `${accountSid} ${target}`),
      signatureRequired: false,
      ...options,
    });
    this.http = createServer();
    this.http.on('upgrade', (request, socket, head) => this.route.handleUpgrade(request, socket, head));
  }

  static async open(model: RealtimeModel, options: Partial<StreamRouteOptions> = {}): Promise<StreamDoor> {
    const door = new StreamDoor(model, options);
    door.http.listen(0, '127.0.0.1');
    await once(door.http, 'listening');
    return door;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.http.address() as AddressInfo).port}/media-stream`;
  }

  /** A session, and the token and ids that open it. */
  session(plan: Partial<CallPlan> = {}): { session: StreamSession; token: string; streamSid: string } {
    const n = (this.count += 1);
    const streamSid = `MZ${n}`;
    const session = new StreamSession({ sessionStartedAt: new Date(), sessionId: `session-${n}`, streamSid, ...plan });
    this.sessions.set(`token-${n}`, session);
    return { session, token: `token-${n}`, streamSid };
  }

  /** From now on this token is refused so. */
  refuse(token: string, code: ErrorCode): void {
    this.refusals.set(token, code);
  }

  async close(): Promise<void> {
    await this.route.close();
    await this.registry.drain(0);
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private async claim(start: StreamStart): Promise<ClaimedSession> {
    const session = this.sessions.get(start.token ?? '');
    const refusal = this.refusals.get(start.token ?? '');
    session?.claims.push(start);
    await session?.gate;
    if (refusal !== undefined) throw new AppError(refusal, 'refused');
    if (session === undefined) throw new AppError('UNAUTHENTICATED', 'no such token');
    return { plan: aPlan(session.plan), recorder: session.recorder, control: session.control };
  }
}

/** A bare media stream that says what the test wants. */
export class StreamClient {
  closedWith: number | null = null;
  readonly received: { event: string }[] = [];

  private constructor(readonly socket: WebSocket) {
    socket.on('error', () => {});
    socket.on('close', (code) => (this.closedWith = code));
    socket.on('message', (data: Buffer) => this.received.push(JSON.parse(data.toString()) as { event: string }));
  }

  static async open(url: string, options: ClientOptions = {}): Promise<StreamClient> {
    const client = new StreamClient(new WebSocket(url, options));
    await once(client.socket, 'open');
    return client;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }
  start(streamSid: string, token: string | null): void {
    this.send({ event: 'connected', protocol: 'Call', version: '1.0.0' });
    const customParameters = token === null ? {} : { stream_token: token };
    const start = { accountSid: 'AC1', callSid: 'CA1', streamSid, tracks: ['inbound'], customParameters };
    this.send({ event: 'start', sequenceNumber: '1', streamSid, start });
  }
}

/** HTTP status of an upgrade that is refused. */
export async function refusedUpgrade(url: string, options: ClientOptions = {}): Promise<number> {
  const socket = new WebSocket(url, options);
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  socket.terminate();
  return response.statusCode;
}
