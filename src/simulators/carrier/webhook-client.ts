import { request as httpRequest, Agent as HttpAgent } from 'node:http';
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';

/** Twilio gives a connection so long, and a whole request about a call so long (protocols.md, part B). */
const CONNECT_TIMEOUT_MS = 5_000;
const TOTAL_TIMEOUT_MS = 15_000;
/** Twilio reads no larger document. */
const MAX_BODY_BYTES = 64 * 1024;

export interface WebhookAnswer {
  status: number;
  /** Lower case, without its parameters; empty when none was given. */
  contentType: string;
  body: string;
}

export class WebhookFailure extends Error {
  constructor(
    message: string,
    /** True when no connection came about: the only failure that Twilio tries again. */
    readonly unconnected: boolean,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'WebhookFailure';
  }
}

/** Posts forms as Twilio does: bounded, redirects not followed, and knowing whether a connection was ever made. */
export class WebhookClient {
  // Every request has its own connection: one that the gateway closes while idle would look like a failed request.
  private readonly agents: { http: HttpAgent; https: HttpsAgent };
  private readonly abort = new AbortController();

  /** `strict`: certificates must be valid, as for the real one. */
  constructor(strict: boolean) {
    this.agents = {
      http: new HttpAgent({ keepAlive: false }),
      https: new HttpsAgent({ keepAlive: false, rejectUnauthorized: strict }),
    };
  }

  /** Gives up everything that is still on its way. */
  close(): void {
    this.abort.abort();
  }

  /** Throws {@link WebhookFailure}. */
  post(url: string, form: string, headers: Record<string, string>): Promise<WebhookAnswer> {
    return new Promise((resolve, reject) => {
      let connected = false;
      const fail = (message: string, cause?: unknown) => reject(new WebhookFailure(message, !connected, { cause }));
      const secure = url.startsWith('https:');
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: secure ? this.agents.https : this.agents.http,
        signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(TOTAL_TIMEOUT_MS)]),
        headers: { ...headers, 'content-length': Buffer.byteLength(form) },
      });
      const connecting = setTimeout(() => request.destroy(new Error('connect timeout')), CONNECT_TIMEOUT_MS);
      request.on('close', () => clearTimeout(connecting));
      request.on('socket', (socket: Socket) =>
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          connected = true;
          clearTimeout(connecting);
        }),
      );
      request.on('error', (error) => fail(error.message, error));
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > MAX_BODY_BYTES) request.destroy(new Error('document too large'));
        });
        response.on('error', (error) => fail(error.message, error));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: (response.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      request.end(form);
    });
  }
}
