import type { ServiceSettings } from './context.js';

/** Twilio's doors that we hand out (api-v1.md). */
export type TwilioDoor =
  | 'answer-call'
  | 'resume-call'
  | 'call-status'
  | 'stream-status'
  | 'fallback-call'
  | 'transfer-status'
  | 'join-call'
  | 'leg-status'
  | 'conference-status';

/** Where Twilio goes on with a call. The call id travels along, so that news finds its row before any sid is known. */
export function callbackUrl(settings: Pick<ServiceSettings, 'publicUrl'>, door: TwilioDoor, callId: string): string {
  return `${settings.publicUrl}/api/v1/${door}?call_id=${callId}`;
}

/** The same for the phone of somebody whom a supervisor brings into a call; known by the command that asked for them. */
export function legUrl(
  settings: Pick<ServiceSettings, 'publicUrl'>,
  door: 'join-call' | 'leg-status' | 'conference-status',
  leg: { callId: string; commandId: string },
): string {
  return `${callbackUrl(settings, door, leg.callId)}&command_id=${leg.commandId}`;
}

/** Where Twilio opens the media stream. No query: Twilio strips it (trap 1). */
export function mediaStreamUrl(settings: Pick<ServiceSettings, 'publicUrl'>): string {
  return `${settings.publicUrl.replace(/^http/, 'ws')}/media-stream`;
}
