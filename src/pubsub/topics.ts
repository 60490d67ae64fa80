import type { Bus, Unsubscribe } from '../ports/bus.js';
import type { AudioSide } from '../ports/live-calls.js';
import type { TurnState } from '../ports/session-events.js';

/** Every message that travels on the bus, by topic. Small on purpose: a message says what to read, not what it says. */
export interface Topics {
  /** Something was appended to a session's log; `seq` is the newest. */
  sessionAppended: { sessionId: string; seq: number };
  /** Growing text of a turn; ephemeral. */
  turnPartial: { sessionId: string; turn: TurnState };
  /** A call or its session changed (status, escalation, end). */
  callChanged: { tenantId: string; callId: string; sessionId: string | null };
  /** A key or tenant was revoked or suspended: sessions of its holder must end. `keyId` null: every key of the tenant. */
  accessRevoked: { tenantId: string | null; keyId: string | null };
  syntheticRunChanged: { tenantId: string; runId: string };
  webhookDeliveryChanged: { tenantId: string; deliveryId: string };
  diagnosticRaised: { tenantId: string | null; diagnosticId: string };
  /** Minutes of a tenant were counted anew; null: a minute is over, which moves every window. */
  metricsChanged: { tenantId: string | null };
  /** A command for the process that owns a call; every process hears of it (services/call-commands.ts). */
  callCommand: { sessionId: string; commandId: string };
  /** A command was refused; its row says why. One that was carried out is found in the session's log. */
  callCommandFailed: { commandId: string };
  /** Somebody listens to a call; said again and again while they do. */
  audioWanted: { sessionId: string };
  /** Audio of a call, only while somebody wants it; as an `AudioTap` hears it. Lost pieces are not repeated. */
  callAudio: { sessionId: string; side: AudioSide; payload: string; timestampMs: number };
  /** A supervisor's phone is in a call; said again and again while it is. `phoneId`: the command that brought it. */
  phonePresent: { sessionId: string; phoneId: string };
  /** What its person says; lost pieces are not repeated. */
  phoneAudio: { sessionId: string; phoneId: string; payload: string };
  phoneGone: { sessionId: string; phoneId: string };
  /** The call needs this phone no more. */
  phoneDismissed: { phoneId: string };
  /** A stream was taken over: the process that holds an older generation lets go at once. */
  sessionClaimed: { sessionId: string; generation: number };
}
export type Topic = keyof Topics;

/** The one key of each topic's channel: who listens to one session does not hear of the others. */
const CHANNEL_KEY: { [T in Topic]: (message: Topics[T]) => string | null } = {
  sessionAppended: (m) => m.sessionId,
  turnPartial: (m) => m.sessionId,
  callChanged: () => null,
  accessRevoked: () => null,
  syntheticRunChanged: (m) => m.runId,
  webhookDeliveryChanged: () => null,
  diagnosticRaised: () => null,
  metricsChanged: () => null,
  callCommand: () => null,
  callCommandFailed: (m) => m.commandId,
  audioWanted: () => null,
  callAudio: (m) => m.sessionId,
  phonePresent: () => null,
  phoneAudio: (m) => m.sessionId,
  phoneGone: () => null,
  phoneDismissed: (m) => m.phoneId,
  sessionClaimed: (m) => m.sessionId,
};

const channelOf = (topic: Topic, key: string | null): string =>
  key === null ? `trunkline:${topic}` : `trunkline:${topic}:${key}`;

/** Typed publish/subscribe over a {@link Bus}. */
export class TopicBus {
  constructor(readonly bus: Bus) {}

  publish<T extends Topic>(topic: T, message: Topics[T]): Promise<void> {
    return this.bus.publish(channelOf(topic, CHANNEL_KEY[topic](message)), message);
  }

  /** `key` as in the channel: a session id, a tenant id …; null for topics that have none. */
  subscribe<T extends Topic>(
    topic: T,
    key: string | null,
    handler: (message: Topics[T]) => void,
  ): Promise<Unsubscribe> {
    return this.bus.subscribe(channelOf(topic, key), (payload) => handler(payload as Topics[T]));
  }
}
