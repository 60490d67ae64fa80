import type { Handset } from './caller.js';
import type { SimulatedCall } from './call.js';
import { Room, type Seat } from './room.js';
import type { CarrierSimulator } from './server.js';
import { rfc2822, sid } from './wire.js';

/** How somebody takes part; changeable while they do. */
export interface ParticipantSettings {
  label: string | null;
  muted: boolean;
  /** The call that alone hears this participant: a whispering supervisor. */
  coaching: string | null;
  startOnEnter: boolean;
  endOnExit: boolean;
}

export interface Participant extends ParticipantSettings, Seat {
  readonly call: SimulatedCall;
  hold: boolean;
  joined: boolean;
}

export type EndReason =
  | 'conference-ended-via-api'
  | 'participant-with-end-conference-on-exit-left'
  | 'participant-with-end-conference-on-exit-kicked'
  | 'last-participant-left'
  | 'last-participant-kicked';

/** Event of the status callback -> the word that asks for it. */
const EVENTS = {
  'conference-start': 'start',
  'conference-end': 'end',
  'participant-join': 'join',
  'participant-leave': 'leave',
  'participant-mute': 'mute',
  'participant-unmute': 'mute',
  'participant-hold': 'hold',
  'participant-unhold': 'hold',
  'participant-modify': 'modify',
} as const;

/** A conference room of an account: who is in it, who hears whom, and its callbacks (protocols.md, part B). */
export class Conference {
  readonly sid = sid('CF');
  readonly createdAt = new Date();
  updatedAt = this.createdAt;
  status: 'init' | 'in-progress' | 'completed' = 'init';
  reasonEnded: EndReason | null = null;
  endingCallSid: string | null = null;
  /** Those who are in it or being dialled into it. */
  readonly participants: Participant[] = [];
  private readonly room: Room<Participant>;
  private callback: { url: string; events: readonly string[] } | null = null;
  private sequence = 0;
  private readonly leavers = new Map<Participant, () => void>();

  constructor(
    private readonly carrier: CarrierSimulator,
    readonly accountSid: string,
    readonly name: string,
  ) {
    this.room = new Room(carrier.pacer, (listener, speaker) => this.hears(listener, speaker));
  }

  /** The first participant's callback is the conference's. */
  listen(url: string, events: readonly string[]): void {
    this.callback ??= { url, events };
  }

  find(callSidOrLabel: string): Participant | undefined {
    return this.participants.find(({ call, label }) => call.sid === callSidOrLabel || label === callSidOrLabel);
  }

  /** Somebody who is being dialled and will join once they answer. */
  expect(call: SimulatedCall, settings: ParticipantSettings): Participant {
    const handset: Handset = call.options.handset;
    const participant = { ...settings, call, handset, hold: false, joined: false, hungUp: () => call.hangUp() };
    this.participants.push(participant);
    void call.ended.then(() => this.remove(participant));
    return participant;
  }

  /** Takes part until they leave, are removed, or the conference ends. */
  async join(call: SimulatedCall, settings: ParticipantSettings): Promise<void> {
    const participant = this.find(call.sid) ?? this.expect(call, settings);
    const left = new Promise<void>((resolve) => this.leavers.set(participant, resolve));
    participant.joined = true;
    this.room.add(participant);
    this.tell('participant-join', participant);
    const present = this.participants.filter(({ joined }) => joined);
    if (this.status === 'init' && present.length > 1 && present.some(({ startOnEnter }) => startOnEnter)) {
      this.status = 'in-progress';
      this.tell('conference-start');
    }
    await call.attach({ leave: () => this.leave(participant, 'participant_hung_up') }, left);
  }

  /** Applies a change, and tells of it. */
  update(participant: Participant, changes: Partial<ParticipantSettings & { hold: boolean }>): void {
    const { muted, hold } = participant;
    Object.assign(participant, changes);
    if (participant.muted !== muted) this.tell(muted ? 'participant-unmute' : 'participant-mute', participant);
    if (participant.hold !== hold) this.tell(hold ? 'participant-unhold' : 'participant-hold', participant);
    if (changes.coaching !== undefined || changes.endOnExit !== undefined) this.tell('participant-modify', participant);
  }

  /** `participant_hung_up`, or `participant_updated_via_api` for one who is removed. */
  leave(participant: Participant, reason: 'participant_hung_up' | 'participant_updated_via_api'): void {
    if (!this.remove(participant)) return;
    this.tell('participant-leave', participant, { ReasonParticipantLeft: reason });
    const how = reason === 'participant_hung_up' ? 'left' : 'kicked';
    if (participant.endOnExit) this.end(`participant-with-end-conference-on-exit-${how}`, participant.call.sid);
    else if (!this.participants.some(({ joined }) => joined)) this.end(`last-participant-${how}`, participant.call.sid);
  }

  /** Everybody leaves and goes on with their TwiML; when it is ended through the API they are hung up. */
  end(reason: EndReason, callSid: string | null = null): void {
    if (this.status === 'completed') return;
    this.status = 'completed';
    this.updatedAt = new Date();
    this.reasonEnded = reason;
    this.endingCallSid = callSid;
    for (const participant of this.participants.slice()) {
      if (!this.remove(participant)) continue;
      this.tell('participant-leave', participant, { ReasonParticipantLeft: 'conference_ended' });
      if (reason === 'conference-ended-via-api') participant.call.hangUp();
    }
    this.tell('conference-end', null, {
      ReasonConferenceEnded: reason,
      ...(callSid === null ? {} : { CallSidEndingConference: callSid }),
    });
  }

  /** True when they were in the room. */
  private remove(participant: Participant): boolean {
    const at = this.participants.indexOf(participant);
    if (at === -1) return false;
    this.participants.splice(at, 1);
    this.room.delete(participant);
    this.leavers.get(participant)?.();
    this.leavers.delete(participant);
    return participant.joined;
  }

  private hears(listener: Participant, speaker: Participant): boolean {
    if (this.status !== 'in-progress' || listener.hold || speaker.hold || speaker.muted) return false;
    return speaker.coaching === null || speaker.coaching === listener.call.sid;
  }

  private tell(event: keyof typeof EVENTS, about: Participant | null = null, extra: Record<string, string> = {}): void {
    this.updatedAt = new Date();
    if (this.callback === null || !this.callback.events.includes(EVENTS[event])) return;
    this.carrier.callback(this.accountSid, this.callback.url, {
      ConferenceSid: this.sid,
      FriendlyName: this.name,
      AccountSid: this.accountSid,
      StatusCallbackEvent: event,
      SequenceNumber: String(++this.sequence),
      Timestamp: rfc2822(this.updatedAt),
      ...(about === null
        ? {}
        : {
            CallSid: about.call.sid,
            Muted: String(about.muted),
            Hold: String(about.hold),
            Coaching: String(about.coaching !== null),
            StartConferenceOnEnter: String(about.startOnEnter),
            EndConferenceOnExit: String(about.endOnExit),
            ...(about.label === null ? {} : { ParticipantLabel: about.label }),
          }),
      ...extra,
    });
  }
}
