/**
 * The seam between the media engine (which knows sockets, frames and milliseconds) and the services
 * (which know tenants, calls and the database). The services implement these; the engine only calls them.
 */
import type { EndReason, NewSessionEvent, TurnState } from './session-events.js';

/** Twilio's `start` message, reduced. */
export interface StreamStart {
  /** From `<Parameter name="stream_token">`, else from the `?stream_token=` query of the upgrade. */
  token: string | null;
  callSid: string;
  streamSid: string;
  accountSid: string;
}

export interface MediaSessions {
  /**
   * Verifies the stream token (bound to the call, unused, 60 s), claims the session for this process (the owner
   * generation rises; a second live stream is refused unless the token came from the resume route) and loads the plan.
   * Throws AppError UNAUTHENTICATED, CONFLICT, NOT_FOUND, NOT_CLEARED or CALL_NOT_ACTIVE: the door closes the socket.
   */
  claim(start: StreamStart): Promise<ClaimedSession>;
}

/** Streams of supervisors' phones; their `start` has the parameter `role` with the value `phone`. */
export interface MediaPhones {
  /** Like {@link MediaSessions.claim}, for a phone that takes a call over. */
  claim(start: StreamStart): Promise<ClaimedPhone>;
}

export interface ClaimedPhone {
  /** The command that brought it. */
  phoneId: string;
  sessionId: string;
  streamSid: string;
  line: PhoneLine;
}

/** A phone's connection to the call that it takes over. */
export interface PhoneLine {
  join(ear: PhoneEar): Promise<void>;
  /** Base64 µ-law. Never waits. */
  speak(base64: string): void;
  /** `hungUp`: for good; else the stream broke, and the phone may come back in a moment. Idempotent. */
  leave(how: { hungUp: boolean }): void;
}

export interface PhoneEar {
  hear(base64: string): void;
  /** The call is over, or needs this phone no more. May be told more than once. */
  over(): void;
}

export interface ClaimedSession {
  plan: CallPlan;
  recorder: SessionRecorder;
  control: CallControl;
}

/** Writes the session log behind the engine's back: batches of at most 50 ms, retries through an outage, never blocks. */
export interface SessionRecorder {
  append(event: NewSessionEvent): void;
  /** Growing text of a turn: published, not stored; dropped once the turn is final. */
  partial(turn: TurnState): void;
  /** Resolves when everything appended before is stored (or refused because this owner was superseded). */
  flush(): Promise<void>;
  /** Called once when a newer owner took over: the engine must let go without ending the session. */
  onSuperseded(listener: () => void): void;
}

/** What the engine may ask to be done to the call; each is safe to repeat. Rejections are AppErrors. */
export interface CallControl {
  /** Hang up at the carrier. */
  hangUp(): Promise<void>;
  /** Redirect the caller to a number by TwiML `<Dial>`; the stream ends because of it. */
  transfer(target: string): Promise<void>;
  /**
   * Let the version's fallback run: the caller is redirected to its speech, transfer or callback. `cause`: why there is no
   * model any more, in a word of the engine (`http_404`, `timeout` …).
   */
  runFallback(cause: string): Promise<void>;
  /** Dials somebody for a supervisor; resolves when the carrier took it. What becomes of it comes back as a command. */
  bringPerson(person: BroughtPerson): Promise<void>;
  /** The caller goes into the room in which that person waits; the stream ends because of it. */
  joinPerson(commandId: string): Promise<void>;
  /** That person is needed no more: ringing stops, a phone in the call is hung up. */
  dismissPerson(commandId: string): Promise<void>;
  /** Carries out an HTTP tool of the tenant; `timeoutMs` and size limits inside. Resolves to what the model is told. */
  runHttpTool(tool: HttpTool, args: unknown, signal: AbortSignal): Promise<{ ok: boolean; result: unknown }>;
  /** A task for people. A rule names its queue as the target of the action `callback`; null: the tenant's. */
  createCallback(request: {
    reason: string;
    dueAt: Date | null;
    note: string | null;
    origin: 'AGENT' | 'RULE';
    queue: string | null;
  }): Promise<void>;
  /** The caller's own wish never to be called again. */
  addToDoNotCall(reason: string): Promise<void>;
  /**
   * The media stream is over. `stop`: Twilio said so; `close`: the socket broke. The session ends now when `ended` is
   * given (`SessionEnded` is then appended by the service as the log's last event), else after the resume grace.
   */
  streamEnded(how: { by: 'stop' | 'close'; ended: EndReason | null }): Promise<void>;
  /** Proves that the owner lives; the engine calls it every 5 s. */
  beat(): Promise<void>;
}

/** Somebody whom a supervisor brings into a call, known by the command that asked for them. */
export interface BroughtPerson {
  commandId: string;
  /** E.164. */
  target: string;
  /** They hear the agent's summary before the caller. */
  briefed: boolean;
}

/** Everything that the engine needs to know about one call, resolved beforehand: request, then version, then tenant. */
export interface CallPlan {
  tenantId: string;
  callId: string;
  sessionId: string;
  callSid: string;
  streamSid: string;
  /** Owner generation of this claim; stored with every append. */
  generation: number;
  sessionStartedAt: Date;
  direction: 'INBOUND' | 'OUTBOUND';
  synthetic: boolean;
  model: string;
  voice: string | null;
  /** Whole system prompt, variables filled in. */
  instructions: string;
  /** Spoken by the agent first; null: the agent waits for the caller. */
  greeting: string | null;
  /** Said before the greeting (recording consent). */
  consentLine: string | null;
  /** ISO 639-1, for the transcription. */
  language: string | null;
  /** As in `session.audio.input.turn_detection`; null uses {@link DEFAULT_TURN_DETECTION}. */
  turnDetection: Record<string, unknown> | null;
  transcriptionModel: string;
  tools: HttpTool[];
  /** Tool names allowed per intent; empty object: no intents declared, every tool is allowed. */
  intents: Record<string, string[]>;
  escalationRules: EscalationRule[];
  /** Values that `record_outcome` accepts. */
  successSignals: string[];
  /** Where `escalate_to_human` transfers to; null: it is recorded only. */
  transferTarget: string | null;
  maxDurationMs: number;
  /** What was said before a resume, in order; empty on a fresh session. */
  history: TurnState[];
  /** Next free turn index and whether SessionStarted was written already. */
  nextTurnIndex: number;
  resumed: boolean;
  /** A supervisor has silenced the agent and not given the word back. */
  silenced: boolean;
  /** The phone that took the call over, by the command that brought it; null: none. */
  phoneId: string | null;
  /** Set again after a resume, so that rules and allowed tools continue where they were. */
  currentIntent: string | null;
  marks: readonly ConversationMark[];
}

export interface HttpTool {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>;
  url: string;
  method: 'GET' | 'POST';
  timeoutMs: number;
  /** Name of the header that carries the tool's secret; the value stays with the services. */
  secretHeader: string | null;
}

export interface EscalationRule {
  /** `payment`, `identity_failure`, `complaint`, `low_confidence`, or a custom word. */
  trigger: string;
  /** Fires at the Nth occurrence. */
  repeated: number;
  action: 'transfer' | 'callback' | 'end';
  target: string | null;
  /** Limits the rule to conversations about these; empty: all. */
  intents: readonly string[];
}

/** A concern that was raised, or an intent that was named, in the order of the session log. */
export interface ConversationMark {
  kind: 'concern' | 'intent';
  name: string;
}

/** Twilio lines are noisy: protocols.md trap 38 (barge-in on echo at the default threshold). */
export const DEFAULT_TURN_DETECTION = {
  type: 'server_vad',
  threshold: 0.6,
  prefix_padding_ms: 300,
  silence_duration_ms: 500,
  create_response: true,
  interrupt_response: true,
} as const;

/** The gateway's own tools: the engine offers them to the model, and no tenant's tool may have one of these names. */
export const BUILT_IN_TOOLS = [
  'set_intent',
  'record_outcome',
  'end_call',
  'escalate_to_human',
  'raise_concern',
  'request_callback',
  'do_not_call',
] as const;
