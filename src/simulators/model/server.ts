import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { AudioLibrary } from '../audio/library.js';
import { receptionist, type Dialogue } from './dialogue.js';
import { noModelFaults, type ModelFaults } from './faults.js';
import { SimulatedSession } from './session.js';
import { noTextFaults, serveText, type TextFaults } from './text-server.js';

export interface ModelSimulatorOptions {
  apiKey?: string;
  port?: number;
  library?: AudioLibrary;
  dialogue?: Dialogue;
  /** The limit of a session; OpenAI's is 3600. */
  sessionSeconds?: number;
}

/** Ended sessions are kept for tests to look at; a simulator that runs for days does not keep them all. */
const KEPT_SESSIONS = 1_000;

/** OpenAI, pretended: Realtime on a WebSocket and Chat Completions on HTTP, on a port of the loopback address. */
export class ModelSimulator {
  readonly faults: ModelFaults = noModelFaults();
  /** A text model's faults; both models share one server, as at OpenAI. */
  readonly textFaults: TextFaults = noTextFaults();
  /** Mistakes of the clients; a test asserts that there are none. */
  readonly violations: string[] = [];
  /** The newest sessions, open or not, oldest first. */
  readonly sessions: SimulatedSession[] = [];
  readonly library: AudioLibrary;
  dialogue: Dialogue;
  textRequests = 0;
  private readonly http: Server;
  private readonly sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 20 * 1024 * 1024,
  });
  private readonly stalled = new Set<Duplex>();
  private port = 0;
  private count = 0;

  constructor(private readonly options: ModelSimulatorOptions = {}) {
    this.library = options.library ?? new AudioLibrary();
    this.dialogue = options.dialogue ?? receptionist;
    this.http = createServer((request, response) => {
      const authorised = this.authorised(request);
      void serveText({ request, response, authorised, faults: this.textFaults, onRequest: () => this.textRequests++ });
    });
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  get apiKey(): string {
    return this.options.apiKey ?? 'sk-simulated';
  }
  get realtimeUrl(): string {
    return `ws://127.0.0.1:${this.port}/v1/realtime`;
  }
  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(this.options.port ?? 0, '127.0.0.1', resolve);
    });
    this.port = (this.http.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    for (const client of this.sockets.clients) client.terminate();
    // The HTTP server no longer knows connections that asked for an upgrade, but its end waits for them.
    for (const socket of this.stalled) socket.destroy();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Sessions whose socket is open. */
  get openSessions(): number {
    return this.sockets.clients.size;
  }

  /** Upgrades that wait in vain (a fault). */
  get stalledUpgrades(): number {
    return this.stalled.size;
  }

  private authorised(request: IncomingMessage): boolean {
    return request.headers.authorization === `Bearer ${this.apiKey}`;
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    if (this.faults.stallUpgrade) {
      this.stalled.add(socket);
      return void socket.once('close', () => this.stalled.delete(socket));
    }
    const [path, query] = (request.url ?? '').split('?');
    const model = new URLSearchParams(query).get('model');
    const status =
      this.faults.refuseWith ??
      (path !== '/v1/realtime' ? 404 : !this.authorised(request) ? 401 : model === null ? 400 : null);
    if (status !== null)
      return void socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    if (request.headers['openai-beta'] !== undefined) this.violations.push('the beta header was sent');
    this.sockets.handleUpgrade(request, socket, head, (client) => {
      if (this.sessions.length >= KEPT_SESSIONS) this.sessions.shift();
      this.sessions.push(
        new SimulatedSession(client, {
          id: `sess_${String(++this.count).padStart(6, '0')}`,
          model: model!,
          library: this.library,
          dialogue: (context) => this.dialogue(context),
          faults: this.faults,
          onViolation: (violation) => this.violations.push(violation),
          sessionSeconds: this.options.sessionSeconds ?? 3_600,
        }),
      );
    });
  }
}
