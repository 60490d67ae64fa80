import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
  /** ms since the epoch. */
  at: number;
}

/** Answers one request: a status, or whatever it does with the response itself. */
export type Answer = (request: Received, response: ServerResponse) => number | void;

/** A tenant's business system: keeps what it got, and answers as it is told. */
export class Receiver {
  readonly got: Received[] = [];
  private readonly server = createServer((request, response) => void this.handle(request, response));

  constructor(public answer: Answer = () => 204) {}

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const received = {
      path: request.url!,
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString(),
      at: Date.now(),
    };
    this.got.push(received);
    const status = this.answer(received, response);
    if (typeof status === 'number') response.writeHead(status).end();
  }
}
