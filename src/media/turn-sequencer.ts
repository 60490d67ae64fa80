import { newId } from '../lib/ids.js';
import type { TurnState } from '../ports/session-events.js';
import { heardText } from './heard-text.js';
import { ItemChain } from './item-chain.js';

/** Where the story of each turn goes: started once, any number of partials, completed once. */
export interface TurnSink {
  started(turn: TurnState): void;
  partial(turn: TurnState): void;
  completed(turn: TurnState): void;
}

/** The caller's words come from another recogniser, which may be late or never answer. */
const TRANSCRIPT_WAIT_MS = 15_000;
/** The text of an agent turn that was interrupted or played: its last events are already on their way. */
const AGENT_TEXT_WAIT_MS = 2_000;
/** Turns remembered for a new model session. */
const MAX_HISTORY = 400;

/** Whose words are recognised from their audio: the caller's, or those of a supervisor at a phone. */
type Listened = 'CALLER' | 'SUPERVISOR';

/** What became of an agent turn's audio; `interrupted` with how much of it was played. */
type Playback = 'pending' | 'played' | { playedMs: number; sentMs: number };

interface Turn {
  state: TurnState;
  /** Everything known of the text; the state's text may become shorter. */
  transcript: string;
  textDone: boolean;
  playback: Playback;
  placed: boolean;
  /** Monotonic ms at which the turn is settled with what there is. */
  deadlineMs: number;
}

/**
 * Turns of a conversation, in the order of the model's item chain. A turn gets its index when its item is created; its
 * text comes whenever it comes, and an agent's turn is complete only when it was heard or cut off, because a model
 * generates faster than anybody listens. `nowMs` is monotonic; `state` times are ms since the session began.
 */
export class TurnSequencer {
  /** Open turns by item; also of items that are not created yet (a speech start, a quick transcription). */
  private readonly turns = new Map<string, Turn>();
  /** Items whose turn is complete: late news of them changes nothing. */
  private readonly settled = new Set<string>();
  private readonly chain: ItemChain;
  private readonly sessionMs: (nowMs: number) => number;
  private finished: TurnState[];
  private nextIndex: number;

  constructor(
    private readonly sink: TurnSink,
    start: { nextIndex: number; history: readonly TurnState[]; sessionMs: (nowMs: number) => number },
  ) {
    this.nextIndex = start.nextIndex;
    this.finished = [...start.history];
    this.sessionMs = start.sessionMs;
    this.chain = new ItemChain((itemId, nowMs) => this.place(itemId, nowMs));
  }

  /** Index of the newest turn; null before the first. */
  get lastIndex(): number | null {
    return this.nextIndex === 0 ? null : this.nextIndex - 1;
  }

  /** A turn of the caller waits for its text. */
  get callerTextPending(): boolean {
    return [...this.turns.values()].some((turn) => turn.placed && turn.state.speaker === 'CALLER');
  }

  /** What was said, by index: finished turns, and what is known of open ones. For a new model session. */
  history(): TurnState[] {
    const open = [...this.turns.values()].filter((turn) => turn.placed).map((turn) => turn.state);
    return [...this.finished, ...open].sort((a, b) => a.index - b.index);
  }

  /** An item that is no turn (a tool call, a note of ours) still has a place in the chain. */
  other(itemId: string, previousItemId: string | null | undefined, nowMs: number): void {
    this.chain.add(itemId, previousItemId, nowMs);
  }

  speechStarted(itemId: string, nowMs: number, speaker: Listened = 'CALLER'): void {
    const turn = this.open(itemId, speaker, nowMs);
    if (turn !== null) turn.state.startedAtMs = this.sessionMs(nowMs);
  }

  speechStopped(itemId: string, nowMs: number, speaker: Listened = 'CALLER'): void {
    const turn = this.open(itemId, speaker, nowMs);
    if (turn !== null) turn.state.endedAtMs = this.sessionMs(nowMs);
  }

  /** The caller's utterance is an item now. */
  callerItem(
    itemId: string,
    previousItemId: string | null | undefined,
    nowMs: number,
    speaker: Listened = 'CALLER',
  ): void {
    const turn = this.open(itemId, speaker, nowMs);
    if (turn !== null) turn.state.endedAtMs ??= this.sessionMs(nowMs);
    this.chain.add(itemId, previousItemId, nowMs);
  }

  callerDelta(itemId: string, delta: string, nowMs: number, speaker: Listened = 'CALLER'): void {
    this.grow(this.open(itemId, speaker, nowMs), delta);
  }

  /** The recogniser is done. Null: it failed; what the deltas gave is kept. */
  callerText(itemId: string, transcript: string | null, nowMs: number, speaker: Listened = 'CALLER'): void {
    const turn = this.open(itemId, speaker, nowMs);
    if (turn === null) return;
    if (transcript !== null) turn.transcript = transcript;
    turn.textDone = true;
    this.completeIfReady(itemId, turn, nowMs);
  }

  agentItem(itemId: string, previousItemId: string | null | undefined, nowMs: number): void {
    this.open(itemId, 'AGENT', nowMs);
    this.chain.add(itemId, previousItemId, nowMs);
  }

  /** First audio of this turn went to the caller. */
  agentAudible(itemId: string, latencyMs: number | null, nowMs: number): void {
    const turn = this.open(itemId, 'AGENT', nowMs);
    if (turn === null) return;
    turn.state.startedAtMs = this.sessionMs(nowMs);
    turn.state.latencyMs = latencyMs;
  }

  agentDelta(itemId: string, delta: string, nowMs: number): void {
    this.grow(this.open(itemId, 'AGENT', nowMs), delta);
  }

  /** The transcript is whole, or as whole as a cancelled response leaves it. Null: keep what the deltas gave. */
  agentText(itemId: string, transcript: string | null, nowMs: number): void {
    const turn = this.turns.get(itemId);
    if (turn === undefined || turn.textDone) return;
    if (transcript !== null) turn.transcript = transcript;
    turn.textDone = true;
    turn.state.text = turn.transcript;
    this.completeIfReady(itemId, turn, nowMs);
  }

  /** The caller heard all of it. */
  agentPlayed(itemId: string, nowMs: number): void {
    this.agentHeard(itemId, 'played', nowMs);
  }

  /** The rest was thrown away. */
  agentInterrupted(itemId: string, heard: { playedMs: number; sentMs: number }, nowMs: number): void {
    this.agentHeard(itemId, heard, nowMs);
  }

  /** Its audio is all sent: without a sign from the carrier, take it as heard after `ms`. */
  expectPlayedWithin(itemId: string, ms: number, nowMs: number): void {
    const turn = this.turns.get(itemId);
    if (turn?.playback === 'pending' && turn.deadlineMs === Infinity) turn.deadlineMs = nowMs + ms;
  }

  /** Agent turns whose audio nobody has settled yet, in order. */
  unsettledAgentItems(): string[] {
    return [...this.turns]
      .filter(([, turn]) => turn.state.speaker === 'AGENT' && turn.playback === 'pending')
      .map(([itemId]) => itemId);
  }

  /** Settles what has waited long enough. */
  sweep(nowMs: number): void {
    this.chain.sweep(nowMs);
    for (const [itemId, turn] of this.turns) if (turn.deadlineMs <= nowMs) this.force(itemId, turn, nowMs);
  }

  /**
   * The model session is gone, and with it all news of its items: the caller's open turns and all texts are final as
   * they are. Agent turns stay open while the caller still hears them.
   */
  modelLost(nowMs: number): void {
    this.chain.restart(nowMs);
    for (const [itemId, turn] of this.turns) {
      if (!turn.placed) this.turns.delete(itemId);
      else if (turn.state.speaker === 'CALLER') this.force(itemId, turn, nowMs);
      // A supervisor's words come from another session.
      else if (turn.state.speaker === 'AGENT') this.agentText(itemId, null, nowMs);
    }
  }

  /** The call is over: every open turn is final as it is. */
  settleAll(nowMs: number): void {
    this.chain.restart(nowMs);
    for (const [itemId, turn] of this.turns) {
      if (turn.placed) this.force(itemId, turn, nowMs);
      else this.turns.delete(itemId);
    }
  }

  /** The open turn of this item, new if need be; null when it is complete. */
  private open(itemId: string, speaker: Listened | 'AGENT', nowMs: number): Turn | null {
    if (itemId === '' || this.settled.has(itemId)) return null;
    let turn = this.turns.get(itemId);
    if (turn === undefined) {
      turn = {
        state: {
          id: newId(),
          index: -1,
          speaker,
          text: '',
          final: false,
          interrupted: false,
          startedAtMs: this.sessionMs(nowMs),
          endedAtMs: null,
          latencyMs: null,
        },
        transcript: '',
        textDone: false,
        playback: speaker === 'AGENT' ? 'pending' : 'played',
        placed: false,
        deadlineMs: Infinity,
      };
      this.turns.set(itemId, turn);
    }
    return turn;
  }

  private place(itemId: string, nowMs: number): void {
    const turn = this.turns.get(itemId);
    if (turn === undefined || turn.placed) return;
    turn.placed = true;
    turn.state.index = this.nextIndex++;
    if (turn.state.speaker !== 'AGENT') turn.deadlineMs = nowMs + TRANSCRIPT_WAIT_MS;
    this.sink.started({ ...turn.state });
    this.completeIfReady(itemId, turn, nowMs);
  }

  private grow(turn: Turn | null, delta: string): void {
    if (turn === null || turn.textDone || delta === '') return;
    turn.transcript += delta;
    turn.state.text = turn.transcript;
    // What is generated after an interruption, nobody hears.
    const audible = turn.state.speaker !== 'AGENT' || turn.playback === 'pending';
    if (turn.placed && audible) this.sink.partial({ ...turn.state });
  }

  private agentHeard(itemId: string, playback: Playback, nowMs: number): void {
    const turn = this.turns.get(itemId);
    if (turn === undefined || turn.playback !== 'pending') return;
    turn.playback = playback;
    turn.state.endedAtMs = this.sessionMs(nowMs);
    turn.deadlineMs = nowMs + AGENT_TEXT_WAIT_MS;
    this.completeIfReady(itemId, turn, nowMs);
  }

  private force(itemId: string, turn: Turn, nowMs: number): void {
    turn.textDone = true;
    if (turn.playback === 'pending') turn.playback = 'played';
    if (turn.placed) this.completeIfReady(itemId, turn, nowMs);
    else turn.deadlineMs = Infinity;
  }

  private completeIfReady(itemId: string, turn: Turn, nowMs: number): void {
    if (!turn.placed || !turn.textDone || turn.playback === 'pending') return;
    this.turns.delete(itemId);
    this.settled.add(itemId);
    const { state, playback, transcript } = turn;
    state.interrupted = playback !== 'played';
    state.text = (
      playback === 'played' ? transcript : heardText(transcript, playback.playedMs, playback.sentMs)
    ).trim();
    state.endedAtMs ??= this.sessionMs(nowMs);
    state.final = true;
    this.finished.push(state);
    if (this.finished.length > MAX_HISTORY) this.finished.shift();
    this.sink.completed({ ...state });
  }
}
