import type { SupervisorAction } from './session-events.js';

/**
 * What the process that owns a call can be asked: a supervisor's acts, and news of the people whom they brought in.
 *
 * - WARM_TRANSFER: `target` is dialled while the agent stays with the caller.
 * - CONNECT: that person has heard what it is about and waits; the caller goes to them. `text`: the id of the transfer.
 * - TRANSFER_FAILED, PHONE_LEFT: they did not come, or left. `target`: the id of the transfer or takeover, `text`: why.
 */
export type CommandAction = SupervisorAction | 'WARM_TRANSFER' | 'CONNECT' | 'TRANSFER_FAILED' | 'PHONE_LEFT';

/** The entry in the log of a command has this as its event id: the acknowledgement is found by it, and stored once. */
export const acknowledgementId = (commandId: string): string => `command:${commandId}`;

/** The calls whose audio passes through this process. The media engine implements it; supervision uses it. */
export interface LiveCalls {
  /** Null: the call lives elsewhere, or not at all. */
  get(sessionId: string): LiveCall | null;
  /** How many there are. */
  readonly size: number;
}

export interface LiveCall {
  readonly tenantId: string;
  readonly callId: string;
  readonly sessionId: string;
  /**
   * Carries out a command and appends its entry to the log (with `commandId`: the acknowledgement), `SupervisorActed` for
   * a supervisor's act.
   *
   * - SAY: the agent's voice says `text` to the caller, after what it is saying now.
   * - WHISPER: the model reads `text` as an instruction; the caller hears nothing.
   * - MUTE: the agent falls silent at once and stays silent; the caller is still transcribed.
   * - TAKE_OVER: the same without a `target`; a phone is dialled, and the agent falls silent when it joins.
   * - UNMUTE, HAND_BACK: the agent may speak again; a phone that took over is let go.
   * - TRANSFER: the caller is sent to `target`. ESCALATE: the same, `target` null means the plan's own; without any it
   *   is recorded only.
   * - END: hangs up.
   *
   * Throws AppError: CALL_NOT_ACTIVE when the call is ending, VALIDATION_FAILED when `text` or `target` is missing,
   * else what the carrier's refusal became.
   */
  command(command: SupervisorCommand): Promise<void>;
  /** Hears both sides until the returned function is called. Costs nothing while nobody listens. */
  addTap(listener: AudioTap): () => void;
  /**
   * A supervisor's phone says that it is in the call, again and again; the agent falls silent the first time, and has the
   * word again when it stops saying so. `phoneId`: the command that brought it. False: it has no place here (any more).
   */
  phonePresent(phoneId: string): boolean;
  /** What the person at the phone says, base64 µ-law, on its way to the caller. */
  phoneAudio(phoneId: string, base64: string): void;
  phoneGone(phoneId: string): void;
}

export interface SupervisorCommand {
  action: CommandAction;
  /** Who acts, as the log shows it. */
  by: string;
  text: string | null;
  target: string | null;
  commandId: string | null;
}

/** Whose voice it is. */
export type AudioSide = 'caller' | 'agent' | 'supervisor';

/**
 * One piece of audio: base64 µ-law as it passes, and the millisecond of the stream at which it is heard: what an agent says
 * comes faster than anybody can listen. Empty audio: what of this side was to be heard from then on was thrown away. Must
 * not throw or wait.
 */
export type AudioTap = (side: AudioSide, base64: string, timestampMs: number) => void;
