import type { Call, VoiceSession } from '../entities/index.js';
import type { CallAnswer } from './call-answers.js';
import type { ServiceContext } from './context.js';
import { mintStreamToken, type StreamTokenKind } from './stream-token.js';
import { callbackUrl, legUrl, mediaStreamUrl } from './telephony-urls.js';

/** Connects the call to a media stream with a fresh token, and says where to go on when that stream is over. */
export function connectAnswer(
  { settings, clock }: ServiceContext,
  call: Call,
  session: VoiceSession,
  kind: StreamTokenKind,
): CallAnswer {
  return {
    kind: 'connect',
    streamUrl: mediaStreamUrl(settings),
    streamStatusUrl: callbackUrl(settings, 'stream-status', call.id),
    token: mintStreamToken(
      settings.streamTokenSecret,
      { callId: call.id, callSid: session.callSid ?? call.callSid ?? '', kind },
      clock.now(),
    ),
    resumeUrl: callbackUrl(settings, 'resume-call', call.id),
  };
}

/** Connects a supervisor's phone; when its stream is over Twilio asks again, and is told whether it is still needed. */
export function phoneAnswer(
  { settings, clock }: ServiceContext,
  phone: { callId: string; commandId: string; callSid: string },
): CallAnswer {
  const { callId, commandId, callSid } = phone;
  return {
    kind: 'connect',
    role: 'phone',
    streamUrl: mediaStreamUrl(settings),
    streamStatusUrl: callbackUrl(settings, 'stream-status', callId),
    token: mintStreamToken(
      settings.streamTokenSecret,
      { callId, callSid, kind: 'phone', phoneId: commandId },
      clock.now(),
    ),
    resumeUrl: legUrl(settings, 'join-call', phone),
  };
}
