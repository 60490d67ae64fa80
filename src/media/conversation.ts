import type { AudioDelta, RealtimeServerEvent } from '../ports/realtime-model.js';
import { AgentActs } from './agent-acts.js';
import { AgentVoice } from './agent-voice.js';
import type { CallParts } from './engine-context.js';
import { agentTools } from './agent-tools.js';
import type { FunctionCalls } from './function-calls.js';
import { CARRY_ON, GIVEN_BACK, sayExactly, TIME_IS_UP } from './instructions.js';
import { Keypad } from './keypad.js';
import { LeaveTaking, type Farewell } from './leave-taking.js';
import { MODEL_EVENTS } from './model-events.js';
import { textItem } from './model-items.js';
import { ModelSide, type ModelListener } from './model-side.js';
import { muteUpdate, turnTaking, type TurnTaking } from './realtime-session-config.js';
import type { Heard } from './playback-ledger.js';
import { PhoneSeat } from './phone-seat.js';
import { PhoneTranscript } from './phone-transcript.js';
import { COLLEAGUE_SAID, Notes, reseedItems } from './reseed.js';
import { ResponseGate, type ResponseRequest } from './response-gate.js';
import { SILENCE_BASE64, SilenceGuard } from './silence.js';
import { TurnSequencer } from './turn-sequencer.js';

/** The model's answer to the caller may take this long before something else may be asked for. */
const ANSWER_WAIT_MS = 2_500;
/** A call that a person took over is looked at again after this when its time is up. */
const TAKEN_OVER_MS = 30_000;
/** Responses that fail in a row before the agent is given up. */
const MAX_FAILED_RESPONSES = 3;

/**
 * One conversation between a caller and a model: whose turn it is, what was heard, what the agent does. It outlives the
 * model's sessions; what each event of the model does to it is the table in model-events.ts. Every part of it is a file
 * of its own; this one is long because it is the only place that knows them all.
 */
export class Conversation implements ModelListener {
  readonly turns: TurnSequencer;
  readonly gate: ResponseGate;
  readonly voice: AgentVoice;
  readonly calls: FunctionCalls;
  readonly leave: LeaveTaking;
  readonly acts: AgentActs;
  readonly silence = new SilenceGuard();
  readonly taking: TurnTaking;
  readonly model: ModelSide;
  readonly phone: PhoneSeat;
  private readonly notes = new Notes();
  private readonly keypad: Keypad;
  /** The caller waits for an answer. */
  private replyOwed = false;
  private failedResponses = 0;
  /** Why there is no agent any more; null: there is one. */
  private lostTo: string | null = null;
  private activeRequest: ResponseRequest | null = null;
  /** The caller is gone; only his last words may still come. */
  over = false;
  private toolsEnded = Promise.resolve();

  constructor(readonly parts: CallParts) {
    const { plan, context, journal, deadlines, caller } = parts;
    this.taking = turnTaking(plan);
    const nowMs = (): number => context.clock.monotonicMs();
    this.model = new ModelSide({ model: context.model, plan, deadlines, metrics: context.metrics, nowMs }, this);
    const send = this.model.send.bind(this.model);
    this.turns = new TurnSequencer(
      {
        started: (turn) => journal.append('TurnStarted', { turn }),
        partial: (turn) => journal.partial(turn),
        completed: (turn) => {
          journal.append('TurnCompleted', { turn });
          if (turn.speaker === 'SUPERVISOR' && turn.text !== '')
            send(textItem('system', `${COLLEAGUE_SAID}${turn.text}`));
        },
      },
      { nextIndex: plan.nextTurnIndex, history: plan.history, sessionMs: (ms) => journal.sessionMs(ms) },
    );
    this.gate = new ResponseGate(send, deadlines);
    this.voice = new AgentVoice({
      caller,
      gate: this.gate,
      turns: this.turns,
      metrics: context.metrics,
      send,
      modelInterrupts: this.taking.interruptsResponse,
      startedMs: nowMs(),
    });
    this.leave = new LeaveTaking({
      gate: this.gate,
      deadlines,
      quiet: () => caller.quiet,
      tell: (text) => send(textItem('system', text)),
    });
    this.keypad = new Keypad(deadlines, (digits) => {
      send(textItem('user', `The caller pressed keys on the telephone: ${digits}`));
      this.gate.request({ purpose: 'reply' });
    });
    this.phone = new PhoneSeat(parts, {
      mute: () => this.mute(),
      unmute: () => {
        const wasSilent = this.voice.isMuted;
        this.unmute();
        if (this.lostTo !== null) this.fallBack();
        // Nobody speaks to the caller any more: they must not have to ask whether somebody is there.
        else if (wasSilent) this.gate.request({ purpose: 'reply', instructions: GIVEN_BACK });
      },
      transcript: () => new PhoneTranscript({ model: context.model, plan, turns: this.turns, nowMs }),
    });
    const leave = (farewell: Farewell): void => this.leave.begin(farewell, this.calls.busy);
    const tell = this.tell.bind(this);
    this.acts = new AgentActs({ ...parts, leave, tell });
    this.calls = agentTools({
      ...parts,
      acts: this.acts,
      nowMs,
      turnIndex: () => this.turns.lastIndex,
      deliver: (event, note) => {
        this.notes.add(note);
        send(event);
      },
      answered: (responseId) => {
        if (!this.leave.answered(this.voice.spoke(responseId))) this.gate.request({ purpose: 'reply' });
      },
    });
  }

  get nowMs(): number {
    return this.parts.context.clock.monotonicMs();
  }

  start(): void {
    const { plan, deadlines } = this.parts;
    const lastTurn = plan.history.at(-1);
    this.replyOwed = plan.resumed && (lastTurn?.speaker === 'CALLER' || lastTurn?.interrupted === true);
    const spentMs = this.parts.journal.sessionMs(this.nowMs);
    deadlines.after('max-duration', Math.max(0, plan.maxDurationMs - spentMs), () => this.timeIsUp());
    // The word was taken from the agent before the call came here.
    if (plan.silenced) this.mute();
    if (plan.phoneId !== null) this.phone.expectBack(plan.phoneId);
    this.model.start();
  }

  // --- from the caller ---

  /** One frame of the caller: the hot path. */
  callerAudio(base64: string, timestampMs: number): void {
    this.silence.frame();
    this.parts.caller.heardFrame(base64, timestampMs);
    this.model.appendAudio(base64);
  }

  callerDigit(digit: string): void {
    this.parts.journal.append('DtmfReceived', { digit });
    this.keypad.press(digit);
  }

  marked(name: string): void {
    this.voice.marked(name, this.nowMs);
    this.leave.check();
  }

  tick(nowMs: number): void {
    if (this.silence.tick(nowMs)) this.model.appendAudio(SILENCE_BASE64);
    this.turns.sweep(nowMs);
    this.model.tick(nowMs, this.gate.awaiting);
  }

  // --- from the model (ModelListener) ---

  ready({ attempt, cause }: { attempt: number; cause: string | null }): void {
    if (cause !== null) this.parts.journal.append('ModelReconnected', { cause, attempt });
    for (const item of reseedItems(this.turns.history(), this.notes.all)) this.model.send(item);
    if (this.voice.isMuted) this.model.send(muteUpdate(this.parts.plan, true));
    const greeting = [this.parts.plan.consentLine, this.parts.plan.greeting].filter(Boolean).join(' ');
    if (greeting !== '' && !this.voice.hasSpoken && !this.parts.plan.history.some((turn) => turn.speaker === 'AGENT'))
      this.gate.request({ purpose: 'greeting', instructions: sayExactly(greeting), speechOnly: true });
    else if (this.replyOwed) this.gate.request({ purpose: 'reply', instructions: CARRY_ON });
    this.gate.start();
  }

  event(event: RealtimeServerEvent): void {
    if (this.over && !event.type.startsWith('conversation.item.')) return;
    try {
      MODEL_EVENTS.get(event.type)?.(this, event, this.nowMs);
    } catch (error) {
      // One event that nobody foresaw must not end the call, nor the process with all the others.
      this.parts.log.error({ err: error, type: event.type }, 'an event of the model could not be handled');
    }
  }

  audio(delta: AudioDelta): void {
    if (!this.over) this.voice.play(delta, this.nowMs);
  }

  lost(cause: string): void {
    const { nowMs } = this;
    if (this.over) return this.model.close();
    this.parts.log.warn({ cause }, 'the model session was lost; a new one is made');
    // A request that was not begun is asked again by itself.
    this.replyOwed ||= this.gate.activeResponseId !== null;
    this.turns.modelLost(nowMs);
    this.voice.modelLost(nowMs);
    this.calls.modelLost();
    this.silence.speech(false, nowMs);
    this.gate.reset();
    this.activeRequest = null;
  }

  gaveUp(cause: string): void {
    this.parts.log.error({ cause }, 'no model session can be had; the fallback takes the caller');
    this.lostTo = cause;
    // A person who took the call over goes on without the agent, until they give the word back.
    if (!this.phone.silencing) this.fallBack();
  }

  private fallBack(): void {
    if (this.lostTo !== null && !this.parts.ending.leaving) void this.parts.ending.fallBack(this.lostTo);
  }

  idle(): boolean {
    return this.gate.idle && !this.calls.busy && !this.replyOwed && this.parts.caller.quiet;
  }

  // --- what the table of model events does ---

  speechStarted(nowMs: number): void {
    this.silence.speech(true, nowMs);
    this.gate.hold('caller');
    this.parts.deadlines.cancel('answer');
    this.replyOwed = true;
    if (this.voice.stop(nowMs)) {
      this.parts.context.metrics.bargeIn();
      this.leave.interrupted();
    }
    this.leave.activity();
  }

  speechStopped(nowMs: number): void {
    this.silence.speech(false, nowMs);
    this.voice.callerStopped(nowMs);
    this.parts.deadlines.after('answer', ANSWER_WAIT_MS, () => this.gate.release('caller'));
  }

  /** The caller's words are an item: without the model's own answer, ours is due. */
  committed(): void {
    if (this.taking.createsResponse) return;
    this.gate.release('caller');
    this.gate.request({ purpose: 'reply' });
  }

  responseCreated(responseId: string, metadata: unknown): void {
    this.activeRequest = this.gate.created(responseId, metadata);
    this.parts.deadlines.cancel('answer');
    this.gate.release('caller');
    this.leave.activity();
    if (this.activeRequest?.purpose === 'say') this.voice.allowWhileMuted(responseId);
    else if (this.voice.isMuted) this.model.send({ type: 'response.cancel', response_id: responseId });
  }

  responseDone(responseId: string, status: string): void {
    const request = this.activeRequest;
    this.activeRequest = null;
    if (status === 'completed') {
      this.replyOwed = false;
      this.failedResponses = 0;
    }
    for (const itemId of this.turns.unsettledAgentItems()) this.voice.itemDone(itemId, this.nowMs);
    this.gate.done(responseId);
    this.calls.responseDone(responseId);
    if (status === 'failed') this.responseFailed(request);
    this.leave.check();
  }

  // --- from outside ---

  /** Something for the model that the caller does not hear; `speak`: the model may react aloud. */
  tell(text: string, speak: boolean): void {
    this.notes.add(text);
    this.model.send(textItem('system', text));
    if (speak) this.gate.request({ purpose: 'reply' });
  }

  say(text: string): void {
    this.gate.request({ purpose: 'say', instructions: sayExactly(text), speechOnly: true });
  }

  mute(): void {
    this.leave.abandon();
    this.acts.abandon();
    this.voice.mute(this.nowMs);
    this.model.send(muteUpdate(this.parts.plan, true));
  }

  unmute(): void {
    this.voice.unmute();
    this.model.send(muteUpdate(this.parts.plan, false));
  }

  /** The caller is gone: nobody speaks or acts any more. `heard`: what was played of the audio that was still queued. */
  end(heard: readonly Heard[], nowMs: number): void {
    if (this.over) return;
    this.over = true;
    this.phone.close();
    this.toolsEnded = this.calls.abort();
    this.gate.cancelWaiting();
    this.silence.speech(false, nowMs);
    for (const { itemId, ...played } of heard) this.turns.agentInterrupted(itemId, played, nowMs);
    for (const itemId of this.turns.unsettledAgentItems()) this.voice.itemDone(itemId, nowMs);
  }

  /** Words of the caller are still being transcribed. */
  get wordsPending(): boolean {
    return this.model.isReady && this.turns.callerTextPending;
  }

  /** Ends the model session. Resolves when every tool that ran has been recorded. */
  close(nowMs: number): Promise<void> {
    this.model.close();
    this.turns.settleAll(nowMs);
    return this.toolsEnded;
  }

  private responseFailed(request: ResponseRequest | null): void {
    this.failedResponses += 1;
    if (this.failedResponses >= MAX_FAILED_RESPONSES) this.gaveUp('responses_failed');
    else this.gate.request(request ?? { purpose: 'reply' });
  }

  private timeIsUp(): void {
    const { ending } = this.parts;
    const act = (): void => void ending.hangUp('MAX_DURATION');
    if (ending.leaving) return;
    // How long a person talks is their own business.
    if (this.phone.taken) return this.parts.deadlines.after('max-duration', TAKEN_OVER_MS, () => this.timeIsUp());
    if (this.voice.isMuted || !this.model.isReady) act();
    else this.leave.begin({ instructions: TIME_IS_UP, act, revocable: false }, false);
  }
}
