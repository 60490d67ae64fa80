import type { CallParts } from './engine-context.js';
import type { PhoneTranscript } from './phone-transcript.js';

/** A phone that has not said that it is there for so long is gone, with its process or its network. */
const ABSENT_AFTER_MS = 6_000;
/** Phones that were let go; they may still knock for a second. */
const MAX_LET_GO = 16;
/** Who gives the word back when a phone is gone. */
const SYSTEM = 'system:telephone';

/**
 * The place of a supervisor's phone in a call. While it is taken the agent is silent, what the person says goes to the
 * caller as it comes, and is written down. One phone at a time.
 */
export class PhoneSeat {
  /** Dialled or seated. */
  private phoneId: string | null = null;
  private seated = false;
  /** The agent is silent because of it. */
  private silences = false;
  private transcript: PhoneTranscript | null = null;
  private readonly letGo = new Set<string>();

  constructor(
    private readonly parts: Pick<CallParts, 'caller' | 'deadlines' | 'journal'>,
    private readonly agent: { mute(): void; unmute(): void; transcript(): PhoneTranscript },
  ) {}

  /** Somebody was called, or is in the call. */
  get taken(): boolean {
    return this.phoneId !== null;
  }

  /** A person has the word, not the agent. */
  get silencing(): boolean {
    return this.silences;
  }

  /** This phone rings. The agent goes on until it joins: a caller must not listen to silence. */
  expect(phoneId: string): void {
    this.phoneId = phoneId;
  }

  /** It was in the call when another process held it: it has a moment to say that it still is. */
  expectBack(phoneId: string): void {
    this.phoneId = phoneId;
    this.silences = true;
    this.watch();
  }

  /** The phone says that it is there. False: not in this call, not any more. */
  present(phoneId: string): boolean {
    if (this.letGo.has(phoneId) || (this.seated && this.phoneId !== phoneId)) return false;
    if (!this.seated) {
      this.phoneId = phoneId;
      this.seated = true;
      this.silences = true;
      this.agent.mute();
      this.transcript = this.agent.transcript();
    }
    this.watch();
    return true;
  }

  /** The person speaks: the hot path. */
  hear(phoneId: string, base64: string): void {
    if (!this.seated || this.phoneId !== phoneId) return;
    this.parts.caller.relay(base64);
    this.transcript?.append(base64);
  }

  /** The phone hung up, did not answer or is lost: the agent has the word again. False: it was not this one. */
  left(phoneId: string): boolean {
    if (this.phoneId !== phoneId) return false;
    this.free();
    return true;
  }

  /** The same, and the log says so. */
  gone(phoneId: string, why: string): void {
    if (!this.left(phoneId)) return;
    const act = { action: 'HAND_BACK' as const, by: SYSTEM, text: why, target: null, commandId: null };
    this.parts.journal.append('SupervisorActed', act);
  }

  /** The supervisor gives the word back. Returns the phone that is to be hung up. */
  dismiss(): string | null {
    const { phoneId } = this;
    this.silences = true;
    this.free();
    return phoneId;
  }

  /** The call is over. */
  close(): void {
    this.transcript?.close();
    this.transcript = null;
  }

  private watch(): void {
    const phoneId = this.phoneId!;
    this.parts.deadlines.after('phone', ABSENT_AFTER_MS, () => this.gone(phoneId, 'the phone was lost'));
  }

  private free(): void {
    if (this.phoneId !== null) this.letGo.add(this.phoneId);
    for (const oldest of this.letGo) if (this.letGo.size > MAX_LET_GO) this.letGo.delete(oldest);
    this.phoneId = null;
    this.seated = false;
    this.parts.deadlines.cancel('phone');
    this.close();
    if (this.silences) this.agent.unmute();
    this.silences = false;
  }
}
