import type { MediaMetrics } from '../ports/media-metrics.js';
import type { AudioDelta, RealtimeClientEvent } from '../ports/realtime-model.js';
import type { CallerSide } from './caller-side.js';
import type { ResponseGate } from './response-gate.js';
import type { TurnSequencer } from './turn-sequencer.js';

/** Marks come back when they were played; this much later they are lost. */
const MARK_SLACK_MS = 10_000;

/** Cancelled responses that are remembered: their last deltas are a matter of milliseconds. */
const MAX_SILENCED = 16;

const NOTHING_HEARD = { playedMs: 0, sentMs: 0 } as const;

/**
 * The agent's voice on its way to the caller: which of it may still be heard, how soon it came, and what an interruption
 * leaves of it (protocols.md, barge-in).
 */
export class AgentVoice {
  /** Responses of which nothing more may be heard: deltas that are still on their way are dropped. */
  private readonly silenced = new Set<string>();
  /** Responses that a muted agent may speak, because a supervisor wants them said. */
  private readonly privileged = new Set<string>();
  private muted = false;
  private audibleItem: string | null = null;
  /** The last response that the caller heard anything of. */
  private audibleResponse: string | null = null;
  /** When the caller stopped speaking, while nobody has answered. */
  private unansweredSinceMs: number | null = null;
  private heardAnything = false;

  constructor(
    private readonly parts: {
      caller: CallerSide;
      gate: ResponseGate;
      turns: TurnSequencer;
      metrics: MediaMetrics;
      send: (event: RealtimeClientEvent) => void;
      /** The model cancels its response by itself when the caller speaks. */
      modelInterrupts: boolean;
      /** When the stream began. */
      startedMs: number;
    },
  ) {}

  /** Audio of the model: the hot path. */
  play(delta: AudioDelta, nowMs: number): void {
    if (this.silenced.has(delta.responseId)) return;
    if (this.muted && !this.privileged.has(delta.responseId)) return;
    if (this.parts.caller.play(delta, nowMs) && delta.itemId !== this.audibleItem) this.firstAudio(delta, nowMs);
  }

  /** Has the caller been sent anything at all? */
  get hasSpoken(): boolean {
    return this.heardAnything;
  }

  /** Has the caller been sent anything of this response? */
  spoke(responseId: string): boolean {
    return this.audibleResponse === responseId;
  }

  callerStopped(nowMs: number): void {
    this.unansweredSinceMs = nowMs;
  }

  /** `response.output_audio.done`. */
  itemSpoken(itemId: string, nowMs: number): void {
    const { caller, turns } = this.parts;
    if (caller.endItem(itemId)) turns.agentPlayed(itemId, nowMs);
    else if (caller.hasUnplayed(itemId))
      turns.expectPlayedWithin(itemId, caller.pendingMs(nowMs) + MARK_SLACK_MS, nowMs);
  }

  /** `response.output_item.done` of a message. One of which no audio went out was not heard. */
  itemDone(itemId: string, nowMs: number): void {
    this.itemSpoken(itemId, nowMs);
    if (!this.parts.caller.hasUnplayed(itemId)) this.parts.turns.agentInterrupted(itemId, NOTHING_HEARD, nowMs);
  }

  marked(name: string, nowMs: number): void {
    for (const itemId of this.parts.caller.marked(name, nowMs)) this.parts.turns.agentPlayed(itemId, nowMs);
  }

  /**
   * The caller speaks: the agent stops at once, and the model learns how much of each item was really heard. True: the
   * agent was audible.
   */
  stop(nowMs: number): boolean {
    const { caller, gate, turns, send, modelInterrupts } = this.parts;
    const active = gate.activeResponseId;
    if (active !== null) {
      this.silence(active);
      if (!modelInterrupts) send({ type: 'response.cancel', response_id: active });
    }
    const heard = caller.clear(nowMs);
    for (const { itemId, contentIndex, playedMs, sentMs } of heard) {
      send({
        type: 'conversation.item.truncate',
        item_id: itemId,
        content_index: contentIndex,
        audio_end_ms: playedMs,
      });
      turns.agentInterrupted(itemId, { playedMs, sentMs }, nowMs);
    }
    for (const itemId of turns.unsettledAgentItems()) turns.agentInterrupted(itemId, NOTHING_HEARD, nowMs);
    this.audibleItem = null;
    return heard.length > 0;
  }

  /** Silent at once, and until it is lifted. */
  mute(nowMs: number): void {
    this.muted = true;
    this.parts.gate.hold('mute');
    const active = this.parts.gate.activeResponseId;
    this.stop(nowMs);
    if (active !== null && this.parts.modelInterrupts)
      this.parts.send({ type: 'response.cancel', response_id: active });
  }

  unmute(): void {
    this.muted = false;
    this.parts.gate.release('mute');
  }

  get isMuted(): boolean {
    return this.muted;
  }

  allowWhileMuted(responseId: string): void {
    this.privileged.add(responseId);
  }

  /** The model session is gone: what was sent is still heard to its end, but no more will come. */
  modelLost(nowMs: number): void {
    this.silenced.clear();
    this.privileged.clear();
    for (const itemId of this.parts.turns.unsettledAgentItems()) this.itemDone(itemId, nowMs);
  }

  private silence(responseId: string): void {
    this.silenced.add(responseId);
    for (const oldest of this.silenced) if (this.silenced.size > MAX_SILENCED) this.silenced.delete(oldest);
  }

  private firstAudio(delta: AudioDelta, nowMs: number): void {
    const { turns, metrics, startedMs } = this.parts;
    const latencyMs = this.unansweredSinceMs === null ? null : Math.round(nowMs - this.unansweredSinceMs);
    this.unansweredSinceMs = null;
    this.audibleItem = delta.itemId;
    this.audibleResponse = delta.responseId;
    turns.agentAudible(delta.itemId, latencyMs, nowMs);
    if (latencyMs !== null) metrics.turnLatency(latencyMs);
    if (!this.heardAnything) metrics.timeToFirstAudio(Math.round(nowMs - startedMs));
    this.heardAnything = true;
  }
}
