import type { ServiceSettings } from './context.js';

/** Twilio's doors that we hand out (api-v1.md). */
export type TwilioDoor =
  'answer-call' | 'resume-call' | 'call-status' | 'stream-status' | 'fallback-call' | 'transfer-status';

/** Where Twilio goes on with a call. The call id travels along, so that news finds its row before any sid is known. */
export function callbackUrl(settings: Pick<ServiceSettings, 'publicUrl'>, door: TwilioDoor, callId: string): string {
  return `${settings.publicUrl}/api/v1/${door}?call_id=${callId}`;
}

/** Where Twilio opens the media stream. No query: Twilio strips it (trap 1). */
export function mediaStreamUrl(settings: Pick<ServiceSettings, 'publicUrl'>): string {
  return `${settings.publicUrl.replace(/^http/, 'ws')}/media-stream`;
}
