import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SimulatedCall, type CallOptions } from './call.js';
import type { Handset } from './caller.js';
import { noCarrierFaults, type CarrierFaults } from './faults.js';
import { Pacer } from './pacer.js';
import { serveRest } from './rest.js';
import { signatureOf } from './signing.js';

export interface CarrierSimulatorOptions {
  port?: number;
  /** Media and pauses run so many times faster than a real line. */
  speed?: number;
  sayMsPerCharacter?: number;
  /** How long a `<Dial>` lasts once answered. */
  bridgedMs?: number;
  ringMs?: number;
}

/** A number of an account, and where its calls go. */
export interface NumberConfig {
  accountSid: string;
  voiceUrl: string;
  fallbackUrl: string | null;
  statusCallback: string | null;
}

/** What happens when a number is dialled. */
export interface DialBehaviour {
  /** Default: answers. */
  answers?: false | 'busy' | 'no-answer' | 'failed';
  /** Who answers; made anew for each call. */
  handset?: () => Handset;
}

/** Twilio's limit for requests about a call. */
const WEBHOOK_TIMEOUT_MS = 15_000;

/** Twilio, pretended: its REST API on a port of the loopback address, signed webhooks and media streams to the gateway. */
export class CarrierSimulator {
  readonly options: Required<CarrierSimulatorOptions>;
  readonly faults: CarrierFaults = noCarrierFaults();
  /** Account SID -> auth token. */
  readonly tokens = new Map<string, string>();
  readonly numbers = new Map<string, NumberConfig>();
  readonly behaviours = new Map<string, DialBehaviour>();
  readonly calls: SimulatedCall[] = [];
  readonly pacer: Pacer;
  /** `POST /Calls.json` requests received, refused ones included. */
  createRequests = 0;
  private readonly http: Server;
  private readonly pending = new Set<Promise<unknown>>();
  private stopped = false;

  constructor(options: CarrierSimulatorOptions = {}) {
    this.options = { port: 0, speed: 1, sayMsPerCharacter: 40, bridgedMs: 300, ringMs: 50, ...options };
    this.pacer = new Pacer(this.options.speed);
    this.http = createServer((request, response) => void serveRest(this, request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(this.options.port, '127.0.0.1', resolve);
    });
    return this;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  /** Ends every call and waits for what is still on its way. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const call of this.calls) call.hangUp();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
    await Promise.allSettled(this.pending);
  }

  tokenOf(accountSid: string): string {
    return this.tokens.get(accountSid) ?? '';
  }

  behaviourOf(number: string): DialBehaviour {
    return this.behaviours.get(number) ?? {};
  }

  addCall(options: CallOptions): SimulatedCall {
    const call = new SimulatedCall(this, options);
    this.calls.push(call);
    return call;
  }

  /** Somebody calls one of our numbers. Resolves when the call is over. */
  async placeInboundCall(inbound: { from: string; to: string; handset: Handset }): Promise<SimulatedCall> {
    const call = this.startInboundCall(inbound);
    await this.track(call.run());
    return call;
  }

  /** The same, without waiting for its end. */
  startInboundCall({ from, to, handset }: { from: string; to: string; handset: Handset }): SimulatedCall {
    const number = this.numbers.get(to);
    if (number === undefined) throw new Error(`no number ${to}`);
    return this.addCall({
      accountSid: number.accountSid,
      from,
      to,
      direction: 'inbound',
      handset,
      voiceUrl: number.voiceUrl,
      fallbackUrl: number.fallbackUrl,
      statusCallback: number.statusCallback,
      statusEvents: ['completed'],
    });
  }

  /** Runs an outbound call: it rings, is answered or not, and then does what its TwiML says. */
  async ring(call: SimulatedCall): Promise<void> {
    await this.track(
      (async () => {
        call.setStatus('initiated');
        await sleep(this.options.ringMs);
        call.setStatus('ringing');
        await sleep(this.options.ringMs);
        if (call.over) return;
        const { answers } = this.behaviourOf(call.options.to);
        if (answers !== undefined) return call.setStatus(answers === false ? 'no-answer' : answers);
        call.setStatus('in-progress');
        await call.run();
      })(),
    );
  }

  /** A signed request for TwiML, tried again once when no connection could be made. Null: no answer. */
  async webhook(
    accountSid: string,
    url: string,
    fields: Record<string, string>,
  ): Promise<{ status: number; body: string } | null> {
    const token = randomUUID();
    const send = () => this.post(accountSid, url, fields, token);
    const first = await send()
      .catch(() => send())
      .catch(() => null);
    if (this.faults.doubledWebhooks) await send().catch(() => null);
    return first;
  }

  /** A status callback: nobody waits for it, and its order is not promised. */
  callback(accountSid: string, url: string, fields: Record<string, string>): void {
    if (this.faults.callbacks === 'dropped' || this.stopped) return;
    const delays = this.faults.callbacks === 'shuffled' ? [Math.random() * 200] : [0];
    if (this.faults.doubledCallbacks) delays.push(Math.random() * 200);
    for (const delay of delays)
      void this.track(
        sleep(delay)
          .then(() => this.post(accountSid, url, fields, randomUUID()))
          .catch(() => null),
      );
  }

  private async post(accountSid: string, url: string, fields: Record<string, string>, idempotencyToken: string) {
    const response = await fetch(url.replace(/#.*$/, ''), {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        'x-twilio-signature': signatureOf(this.tokenOf(accountSid), url, fields),
        'i-twilio-idempotency-token': idempotencyToken,
        'user-agent': 'TwilioProxy/1.1',
      },
      body: new URLSearchParams(fields).toString(),
      redirect: 'manual',
      signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
    });
    return { status: response.status, body: await response.text() };
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    const forget = () => void this.pending.delete(work);
    work.then(forget, forget);
    return work;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
