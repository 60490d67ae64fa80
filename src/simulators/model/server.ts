import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { AudioLibrary } from '../audio/library.js';
import { receptionist, type Dialogue } from './dialogue.js';
import { noModelFaults, type ModelFaults } from './faults.js';
import { SimulatedSession } from './session.js';
import { valueFor } from './text.js';

export interface ModelSimulatorOptions {
  apiKey?: string;
  port?: number;
  library?: AudioLibrary;
  dialogue?: Dialogue;
  /** The limit of a session; OpenAI's is 3600. */
  sessionSeconds?: number;
}

/** A text model's faults and the audio model's share one server, as at OpenAI. */
export interface TextFaults {
  status: number | null;
  delayMs: number;
  invalidJson: boolean;
}

/** OpenAI, pretended: Realtime on a WebSocket and Chat Completions on HTTP, on a port of the loopback address. */
export class ModelSimulator {
  readonly faults: ModelFaults = noModelFaults();
  readonly textFaults: TextFaults = { status: null, delayMs: 0, invalidJson: false };
  readonly violations: string[] = [];
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
  private port = 0;
  private count = 0;

  constructor(private readonly options: ModelSimulatorOptions = {}) {
    this.library = options.library ?? new AudioLibrary();
    this.dialogue = options.dialogue ?? receptionist;
    this.http = createServer((request, response) => void this.serve(request, response));
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
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Sessions whose socket is open. */
  get openSessions(): number {
    return this.sockets.clients.size;
  }

  private authorised(request: IncomingMessage): boolean {
    return request.headers.authorization === `Bearer ${this.apiKey}`;
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    if (this.faults.stallUpgrade) return;
    const url = new URL(request.url ?? '/', 'http://localhost');
    const model = url.searchParams.get('model');
    const status =
      this.faults.refuseWith ??
      (url.pathname !== '/v1/realtime' ? 404 : !this.authorised(request) ? 401 : model === null ? 400 : null);
    if (status !== null)
      return void socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    if (request.headers['openai-beta'] !== undefined) this.violations.push('the beta header was sent');
    this.sockets.handleUpgrade(request, socket, head, (client) => {
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

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const error = (status: number, message: string) =>
      answer(status, { error: { message, type: 'invalid_request_error', param: null, code: null } });
    if (!this.authorised(request)) return error(401, 'Incorrect API key provided.');
    if (request.method === 'GET' && request.url?.startsWith('/v1/models/'))
      return this.textFaults.status === null
        ? answer(200, { id: request.url.slice(11), object: 'model' })
        : error(this.textFaults.status, 'fault');
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') return error(404, 'Unknown path.');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.textRequests++;
    if (this.textFaults.delayMs > 0)
      await new Promise((resolve) => setTimeout(resolve, this.textFaults.delayMs).unref());
    if (this.textFaults.status !== null) return error(this.textFaults.status, 'fault');
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      model: string;
      messages: { role: string; content: string }[];
      response_format?: { json_schema?: { schema?: object } };
    };
    const input = body.messages.findLast((m) => m.role === 'user')?.content ?? '';
    const content = this.textFaults.invalidJson
      ? '{"cut'
      : JSON.stringify(valueFor(body.response_format?.json_schema?.schema ?? {}, input));
    answer(200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 0,
      model: body.model,
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content, refusal: null } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
  }
}
