import twilio from 'twilio';
import {
  CarrierError,
  type Carrier,
  type CarrierAccount,
  type CarrierCall,
  type CarrierCallUpdate,
  type CarrierNumber,
  type NewCarrierCall,
} from '../../ports/carrier.js';

export interface TwilioCarrierOptions {
  /** Another REST origin: a simulator. */
  baseUrl: string | null;
  /** For one request, ms. Twilio itself answers within a second or not at all. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Clients kept, each with its pool of connections; accounts come and go. */
const MAX_CLIENTS = 200;
const STATUS_EVENTS = ['initiated', 'ringing', 'answered', 'completed'];
/**
 * Synchronous: nothing is said, and nobody is connected, before it is known who answered. People at work greet with whole
 * sentences, which Twilio's own 2.4 s would take for a machine's; machines talk for longer than four.
 */
const MACHINE_DETECTION = {
  machineDetection: 'Enable',
  machineDetectionTimeout: 15,
  machineDetectionSpeechThreshold: 4_000,
};
/** Failures before the first byte of a request left: no connection, or nobody that could prove to be Twilio. */
const NOTHING_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

type Client = ReturnType<typeof twilio>;

/** {@link Carrier} on Twilio's REST API. Nothing is retried here: a repeated POST may be a second call. */
export class TwilioCarrier implements Carrier {
  private readonly clients = new Map<string, Client>();

  constructor(private readonly options: TwilioCarrierOptions) {}

  async createCall(account: CarrierAccount, call: NewCarrierCall): Promise<CarrierCall> {
    return this.ask(account, async (client) =>
      shaped(
        await client.calls.create({
          to: call.to,
          from: call.from,
          url: call.url,
          method: 'POST',
          fallbackUrl: call.fallbackUrl,
          fallbackMethod: 'POST',
          statusCallback: call.statusCallback,
          statusCallbackMethod: 'POST',
          statusCallbackEvent: STATUS_EVENTS,
          timeout: call.timeoutSeconds,
          ...(call.timeLimitSeconds === undefined ? {} : { timeLimit: call.timeLimitSeconds }),
          ...(call.machineDetection === true ? MACHINE_DETECTION : {}),
        }),
      ),
    );
  }

  async fetchCall(account: CarrierAccount, callSid: string): Promise<CarrierCall | null> {
    try {
      return await this.ask(account, async (client) => shaped(await client.calls(callSid).fetch()));
    } catch (error) {
      if (error instanceof CarrierError && error.status === 404) return null;
      throw error;
    }
  }

  async listCalls(account: CarrierAccount, filter: { to: string; from?: string; since: Date }): Promise<CarrierCall[]> {
    return this.ask(account, async (client) => {
      const calls = await client.calls.list({
        to: filter.to,
        from: filter.from,
        startTimeAfter: filter.since,
        limit: 50,
      });
      return calls.map(shaped);
    });
  }

  async updateCall(account: CarrierAccount, callSid: string, update: CarrierCallUpdate): Promise<CarrierCall> {
    return this.ask(account, async (client) =>
      shaped(await client.calls(callSid).update('url' in update ? { ...update, method: 'POST' } : update)),
    );
  }

  async fetchNumber(account: CarrierAccount, number: string): Promise<CarrierNumber | null> {
    return this.ask(account, async (client) => {
      const [found] = await client.incomingPhoneNumbers.list({ phoneNumber: number, limit: 1 });
      if (found === undefined) return null;
      const { sid, phoneNumber, voiceUrl, voiceMethod, voiceFallbackUrl, voiceApplicationSid, trunkSid } = found;
      return {
        sid,
        phoneNumber,
        voiceUrl: voiceUrl || null,
        voiceMethod: voiceMethod || null,
        voiceFallbackUrl: voiceFallbackUrl || null,
        voiceApplicationSid: voiceApplicationSid || null,
        trunkSid: trunkSid || null,
      };
    });
  }

  async probe(account: CarrierAccount): Promise<void> {
    await this.ask(account, (client) => client.api.v2010.accounts(account.accountSid).fetch());
  }

  private async ask<T>(account: CarrierAccount, work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.client(account);
    try {
      return await work(client);
    } catch (error) {
      throw asCarrierError(error);
    }
  }

  private client({ accountSid, authToken }: CarrierAccount): Client {
    const key = `${accountSid}:${authToken}`;
    let client = this.clients.get(key);
    if (client === undefined) {
      if (this.clients.size >= MAX_CLIENTS) this.clients.clear();
      client = this.newClient(accountSid, authToken);
      if (this.options.baseUrl !== null) client.api.baseUrl = this.options.baseUrl.replace(/\/$/, '');
      this.clients.set(key, client);
    }
    return client;
  }

  private newClient(accountSid: string, authToken: string): Client {
    try {
      return twilio(accountSid, authToken, {
        timeout: this.options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        autoRetry: false,
        // Else TWILIO_EDGE and TWILIO_REGION of the environment rewrite the host, a configured base URL's included.
        edge: '',
        region: '',
      });
    } catch (error) {
      // The package refuses credentials that Twilio never gave out; nothing was sent.
      throw new CarrierError('rejected', 'The Twilio credentials are malformed', 20003, null, { cause: error });
    }
  }
}

function shaped(call: {
  sid: string;
  status: string;
  to: string;
  from: string;
  duration: string;
  dateCreated: Date;
}): CarrierCall {
  return {
    sid: call.sid,
    status: call.status,
    to: call.to,
    from: call.from,
    durationSeconds: call.duration == null ? null : Number(call.duration),
    createdAt: call.dateCreated ?? null,
  };
}

/** See {@link CarrierError}: what certainly did nothing is told apart from what may have happened. */
function asCarrierError(error: unknown): CarrierError {
  const { status, code, message } = error as { status?: unknown; code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : 'no answer';
  const twilioCode = typeof code === 'number' ? code : null;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new CarrierError(status === 429 ? 'unavailable' : 'rejected', text, twilioCode, status, { cause: error });
  if (typeof status === 'number') return new CarrierError('unknown', text, twilioCode, status, { cause: error });
  const nothingSent = typeof code === 'string' && NOTHING_SENT.has(code);
  return new CarrierError(
    nothingSent ? 'unavailable' : 'unknown',
    nothingSent ? 'Twilio cannot be reached' : 'Twilio did not answer',
    null,
    null,
    { cause: error },
  );
}
