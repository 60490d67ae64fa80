import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import { twilioSignatures } from '../../src/adapters/telephony/signatures.js';
import { twilioDoors } from '../../src/webhooks/inbound/twilio-doors.js';
import { ACCOUNT, type CallWorld } from './call-world.js';

export interface TwilioAnswer {
  status: number;
  type: string;
  headers: Record<string, unknown>;
  body: string;
}

/** Twilio's side of the webhooks: signs as it does, and reads TwiML. */
export class TwilioClient {
  constructor(
    readonly app: FastifyInstance,
    private readonly publicUrl: string,
  ) {}

  /** Posts a signed form. `token` null: unsigned. */
  async post(
    target: string,
    params: Record<string, string>,
    { token = ACCOUNT.authToken, accountSid = ACCOUNT.accountSid }: { token?: string | null; accountSid?: string } = {},
  ): Promise<TwilioAnswer> {
    const form = { AccountSid: accountSid, ApiVersion: '2010-04-01', ...params };
    const response = await this.app.inject({
      method: 'POST',
      url: target,
      payload: new URLSearchParams(form).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        ...(token === null
          ? {}
          : { 'x-twilio-signature': getExpectedTwilioSignature(token, this.publicUrl + target, form) }),
      },
    });
    return {
      status: response.statusCode,
      type: String(response.headers['content-type']),
      headers: response.headers,
      body: response.body,
    };
  }
}

export interface DoorSettings {
  patienceMs?: number;
  /** Listens on a free port of the loopback address, which becomes the public URL. */
  listen?: boolean;
  /** Whether a refused request is still within what its address may do. */
  refused?: () => Promise<boolean>;
}

/** Twilio's doors over the services of a test. */
export async function openDoors(
  world: CallWorld,
  { patienceMs, listen, refused }: DoorSettings = {},
): Promise<TwilioClient> {
  const { services, context } = world;
  const app = Fastify();
  const options = {
    accounts: services.accounts,
    signatures: twilioSignatures,
    evidence: services.signatureEvidence,
    inbound: services.inbound,
    continuations: services.continuations,
    statusCallbacks: services.statusCallbacks,
    legs: services.legs,
    diagnostics: services.diagnostics,
    log: context.log,
    patienceMs,
    refused,
  };
  if (listen) context.settings.publicUrl = `http://127.0.0.1:${await freePort()}`;
  await app.register(twilioDoors, { ...options, publicUrl: context.settings.publicUrl });
  if (listen) await app.listen({ host: '127.0.0.1', port: Number(new URL(context.settings.publicUrl).port) });
  return new TwilioClient(app, context.settings.publicUrl);
}

/** A port that was free a moment ago: the public URL must be known before the doors open. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The stream token of a `<Connect><Stream>` answer. Throws with the TwiML when there is none. */
export function streamTokenOf({ body }: TwilioAnswer): string {
  const token = /<Parameter name="stream_token" value="([^"]+)"\/>/.exec(body)?.[1];
  if (token === undefined) throw new Error(`no stream in ${body}`);
  return token;
}
