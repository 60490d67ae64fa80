import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js';
import { WebSocketServer, type WebSocket } from 'ws';

export interface Hit {
  path: string;
  fields: Record<string, string>;
  signed: boolean;
  idempotencyToken: string;
}

/** TwiML, or a whole answer; null cuts the connection. */
export type Answer = string | { status?: number; type?: string; body?: string } | null;

/** What a carrier calls: one answer per path, and a media socket that keeps what it is told. */
export class TwimlGateway {
  readonly hits: Hit[] = [];
  readonly answers = new Map<string, Answer>();
  readonly sockets: WebSocket[] = [];
  readonly upgrades: IncomingMessage[] = [];
  readonly messages: { event: string; [key: string]: any }[] = [];
  refuseUpgrades = false;
  private readonly wss = new WebSocketServer({ noServer: true });
  private readonly http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url!;
    const fields = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
    const signature = String(request.headers['x-twilio-signature']);
    this.hits.push({
      path,
      fields,
      signed: validateRequest(this.authToken, signature, this.origin + path, fields),
      idempotencyToken: String(request.headers['i-twilio-idempotency-token']),
    });
    const answer = this.answers.get(path.split('?')[0]!);
    if (answer === null) return void response.socket?.destroy();
    const { status = 200, type = 'text/xml', body = '' } = typeof answer === 'object' ? answer : { body: answer };
    response.writeHead(status, { 'content-type': type }).end(body);
  });

  constructor(private readonly authToken: string) {}

  async start(): Promise<void> {
    this.http.on('upgrade', (request, socket, head) => {
      this.upgrades.push(request);
      if (this.refuseUpgrades) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      this.wss.handleUpgrade(request, socket, head, (client) => {
        this.sockets.push(client);
        client.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString())));
      });
    });
    await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    for (const client of this.wss.clients) client.terminate();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** As new, for the next test. */
  reset(): void {
    this.refuseUpgrades = false;
    for (const list of [this.hits, this.messages, this.sockets, this.upgrades]) list.length = 0;
    this.answers.clear();
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get socketOrigin(): string {
    return this.origin.replace('http', 'ws');
  }

  /** What came to one path; callbacks of an earlier call may still arrive, so name the call where it matters. */
  at(path: string, callSid?: string): Record<string, string>[] {
    return this.hits
      .filter((hit) => hit.path === path && (callSid === undefined || hit.fields.CallSid === callSid))
      .map(({ fields }) => fields);
  }

  /** Media messages of one event. */
  of(event: string): { [key: string]: any }[] {
    return this.messages.filter((message) => message.event === event);
  }
}
