import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../ports/logger.js';
import type { WebhookSignatures } from '../../ports/webhook-signature.js';
import { LAST_RESORT, twimlOf, type CallAnswer } from '../../services/call-answers.js';
import type { CallContinuations, KnownCall } from '../../services/call-continuations.js';
import type { CallStatusCallbacks } from '../../services/call-status.js';
import type { CarrierAccounts } from '../../services/carrier-accounts.js';
import type { CarrierIdentity } from '../../services/carrier-identity.js';
import type { DiagnosticSink } from '../../services/diagnostics.js';
import type { InboundCalls } from '../../services/inbound-calls.js';
import type { PersonLegs } from '../../services/person-legs.js';
import type { SignatureEvidence } from '../../services/signature-evidence.js';
import { TWIML_TYPE } from '../../services/twiml.js';
import { count, field, parseTwilioForm, time, type TwilioForm } from './twilio-form.js';
import { TwilioVerifier } from './verify.js';

export interface TwilioDoorOptions {
  publicUrl: string;
  accounts: CarrierAccounts;
  signatures: WebhookSignatures;
  evidence: SignatureEvidence;
  inbound: InboundCalls;
  continuations: CallContinuations;
  statusCallbacks: CallStatusCallbacks;
  legs: PersonLegs;
  diagnostics: DiagnosticSink;
  log: Logger;
  /**
   * A request was refused: a rate limiter counts it against its address, and says whether that is still within its limit.
   * Signed requests are exempt.
   */
  refused?: (request: FastifyRequest) => Promise<boolean>;
  /** Milliseconds until the caller hears the fallback because we are too slow. */
  patienceMs?: number;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A door of the carrier: authenticated by its signature, exempt from rate limits when that holds. */
    carrierDoor?: boolean;
  }
}

/** One verified request. */
interface Visit {
  identity: CarrierIdentity;
  form: TwilioForm;
  known: KnownCall;
  /** From the webhook's URL: whose phone it is about. */
  commandId: string | null;
}
/** Null: there is nothing to answer but a receipt. */
type Door = (options: TwilioDoorOptions, visit: Visit) => Promise<CallAnswer | null>;

const BODY_LIMIT = 64 * 1024;
/** Twilio hangs up on us after 15 s (trap 33). */
const PATIENCE_MS = 10_000;
/** When the paths without a version became deprecated (RFC 9745). */
const DEPRECATED_SINCE = '@1767225600';

/** Every door, under its name in `/api/v1`. */
const DOORS: Record<string, Door> = {
  'incoming-call': ({ inbound }, { identity, form, known }) =>
    inbound.incoming(identity, { ...known, from: field(form, 'From'), to: field(form, 'To') }),
  'answer-call': ({ continuations }, { identity, known }) => continuations.answered(identity, known),
  'resume-call': ({ continuations }, { identity, known }) => continuations.resumed(identity, known),
  'transfer-status': ({ continuations }, { identity, known, form }) =>
    continuations.transferEnded(identity, known, field(form, 'DialCallStatus')),
  'call-status': async ({ statusCallbacks }, { identity, known, form }) => {
    await statusCallbacks.receive(identity, {
      ...known,
      status: field(form, 'CallStatus'),
      sequence: count(form, 'SequenceNumber'),
      durationSeconds: count(form, 'CallDuration'),
      at: time(form, 'Timestamp'),
      errorCode: field(form, 'ErrorCode', 64) || sipError(form),
    });
    return null;
  },
  'stream-status': async ({ continuations }, { identity, known, form }) => {
    await continuations.streamStatus(identity, known, {
      event: field(form, 'StreamEvent'),
      error: field(form, 'StreamError') || null,
      code: field(form, 'StreamErrorCode', 64) || null,
    });
    return null;
  },
  'join-call': ({ legs }, { identity, known, commandId, form }) =>
    legs.answered(identity, known, commandId, field(form, 'AnsweredBy', 64)),
  'leg-status': async ({ legs }, { identity, known, commandId, form }) => {
    await legs.legStatus(identity, known, commandId, {
      status: field(form, 'CallStatus'),
      answeredBy: field(form, 'AnsweredBy', 64),
    });
    return null;
  },
  'conference-status': async ({ legs }, { identity, known, commandId, form }) => {
    await legs.conferenceStatus(identity, known, commandId, {
      event: field(form, 'StatusCallbackEvent'),
      label: field(form, 'ParticipantLabel'),
    });
    return null;
  },
  // Speaks from a process with nothing else working: whatever it writes down is not waited for.
  'fallback-call': async ({ diagnostics }, { known, form }) => {
    void diagnostics.raise({
      tenantId: null,
      code: 'fallback_url_used',
      severity: 'CRITICAL',
      message: 'The carrier could not use a webhook of this gateway, and the caller heard the safe message.',
      action: 'Look up the error code at the carrier, and what this gateway logged at that time.',
      detail: { callId: known.callId, errorCode: field(form, 'ErrorCode', 64) || null },
    });
    return LAST_RESORT;
  },
};

/**
 * Twilio's doors: parse (at most 64 KiB), verify, hand over, answer. Nothing is stored or done before the signature holds;
 * an invalid one gets 403. Whatever else goes wrong, the caller hears words, never silence.
 */
export async function twilioDoors(app: FastifyInstance, options: TwilioDoorOptions): Promise<void> {
  const { publicUrl, accounts, signatures, evidence } = options;
  const verifier = new TwilioVerifier(publicUrl, accounts, signatures, evidence);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: BODY_LIMIT },
    async (_request: FastifyRequest, body: string) => parseTwilioForm(body),
  );
  for (const [name, door] of Object.entries(DOORS)) {
    const handler = handlerOf(door, verifier, options);
    const config = { carrierDoor: true };
    app.post(`/api/v1/${name}`, { config, bodyLimit: BODY_LIMIT }, handler);
    app.post(`/${name}`, { config, bodyLimit: BODY_LIMIT }, async (request, reply) => {
      reply.header('deprecation', DEPRECATED_SINCE).header('link', `</api/v1/${name}>; rel="successor-version"`);
      return handler(request, reply);
    });
  }
}

function handlerOf(door: Door, verifier: TwilioVerifier, options: TwilioDoorOptions) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    try {
      const answer = await within(options.patienceMs ?? PATIENCE_MS, visit(door, verifier, options, request));
      if (answer === 'refused') return reply.code(403).type('text/plain').send('The signature is not valid');
      return answer === null ? reply.code(204).send() : twiml(reply, answer);
    } catch (error) {
      options.log.error(
        { err: error, requestId: request.id },
        'telephone webhook failed; the caller hears the fallback',
      );
      return twiml(reply, LAST_RESORT);
    }
  };
}

async function visit(
  door: Door,
  verifier: TwilioVerifier,
  options: TwilioDoorOptions,
  request: FastifyRequest,
): Promise<CallAnswer | null | 'refused'> {
  const form = (request.body ?? {}) as TwilioForm;
  const signature = request.headers['x-twilio-signature'];
  const identity = await verifier.identify({
    target: request.raw.url ?? '',
    signature: typeof signature === 'string' ? signature : undefined,
    form,
    counts: async () => (await options.refused?.(request)) ?? true,
  });
  if (identity === null) return 'refused';
  const query = request.query as Record<string, unknown>;
  const text = (name: string) => (typeof query[name] === 'string' ? query[name] : null);
  const known = { callId: text('call_id'), callSid: field(form, 'CallSid', 64) };
  return door(options, { identity, form, known, commandId: text('command_id') });
}

function twiml(reply: FastifyReply, answer: CallAnswer): FastifyReply {
  return reply.code(200).type(TWIML_TYPE).send(twimlOf(answer));
}

/** The work's result, or an error when it takes longer than a caller can wait. The work itself goes on. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}

/** The SIP answer explains a call that failed; a busy line is no failure. */
function sipError(form: TwilioForm): string | null {
  const code = field(form, 'SipResponseCode', 10);
  return field(form, 'CallStatus') === 'failed' && code !== '' ? `sip_${code}` : null;
}
