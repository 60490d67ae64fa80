import type { ToolCallState, ToolCallStatus } from '../ports/session-events.js';
import type { CallJournal } from './call-journal.js';
import { newId } from '../lib/ids.js';
import type { Logger } from '../ports/logger.js';
import type { MediaMetrics } from '../ports/media-metrics.js';

export interface ToolOutcome {
  status: Exclude<ToolCallStatus, 'RUNNING'>;
  /** What the model is told. */
  result: unknown;
}

/** A function call that the model finished asking for. */
export interface RequestedCall {
  callId: string;
  name: string;
  /** Parsed; undefined: it was no JSON. */
  args: unknown;
}

export interface FunctionCallParts {
  journal: CallJournal;
  metrics: MediaMetrics;
  log: Logger;
  nowMs: () => number;
  /** Index of the newest turn. */
  turnIndex: () => number | null;
  /** Carries a call out. Never rejects. */
  run: (call: RequestedCall, signal: AbortSignal) => Promise<ToolOutcome>;
  /** `lost`: the model session that asked is gone, the new one does not know the call. */
  deliver: (call: RequestedCall, result: unknown, lost: boolean) => void;
  /** All results of one response are delivered: time to let the model go on. Once per response. */
  answered: (responseId: string) => void;
}

interface Batch {
  running: number;
  responseDone: boolean;
}

/** The model may repeat itself, but not without end. */
const MAX_CALLS = 500;

/**
 * Function calls of the model: each runs once, as soon as its item is complete (never on the arguments of a cancelled
 * response: they may be half of a JSON text); those of one response run side by side and are answered together. A result
 * is delivered even when the response that asked for it was cancelled meanwhile: the work is done, the model should know.
 */
export class FunctionCalls {
  private readonly seen = new Set<string>();
  private readonly batches = new Map<string, Batch>();
  private readonly aborter = new AbortController();
  private readonly running = new Set<Promise<void>>();
  /** Counts model sessions. */
  private epoch = 0;

  constructor(private readonly parts: FunctionCallParts) {}

  /** Something runs, or waits for its response to end. */
  get busy(): boolean {
    return this.batches.size > 0;
  }

  /** `response.output_item.done`. True: it was a function call that is now running. */
  itemDone(responseId: string, item: Record<string, unknown>): boolean {
    if (item['type'] !== 'function_call' || item['status'] !== 'completed') return false;
    const { call_id: callId, name } = item;
    if (typeof callId !== 'string' || typeof name !== 'string' || this.seen.has(callId)) return false;
    if (this.seen.size >= MAX_CALLS || this.aborter.signal.aborted) return false;
    this.seen.add(callId);
    const batch = this.batches.get(responseId) ?? { running: 0, responseDone: false };
    batch.running += 1;
    this.batches.set(responseId, batch);
    const run = this.run(responseId, batch, { callId, name, args: parseArguments(item['arguments']) });
    this.running.add(run);
    run
      .catch((error: unknown) => this.parts.log.error({ err: error, tool: name }, 'a tool call could not be handled'))
      .finally(() => this.running.delete(run));
    return true;
  }

  /** `response.done`, whatever its status: no more calls of this response will come. */
  responseDone(responseId: string): void {
    const batch = this.batches.get(responseId);
    if (batch === undefined) return;
    batch.responseDone = true;
    this.settle(responseId, batch);
  }

  /** The model session is gone. What runs goes on; its results go to the next session as news. */
  modelLost(): void {
    this.epoch += 1;
    for (const responseId of this.batches.keys()) this.responseDone(responseId);
  }

  /** The call is over. Resolves when what ran has been recorded. */
  async abort(): Promise<void> {
    this.aborter.abort();
    this.batches.clear();
    await Promise.allSettled(this.running);
  }

  private async run(responseId: string, batch: Batch, call: RequestedCall): Promise<void> {
    const { journal, metrics, nowMs } = this.parts;
    const { epoch } = this;
    const startedMs = nowMs();
    const state: ToolCallState = {
      id: newId(),
      modelCallId: call.callId,
      name: call.name,
      arguments: call.args ?? null,
      result: null,
      status: 'RUNNING',
      startedAtMs: journal.sessionMs(startedMs),
      durationMs: null,
      turnIndex: this.parts.turnIndex(),
    };
    journal.append('ToolCallStarted', { toolCall: state });
    const outcome = await this.parts.run(call, this.aborter.signal);
    const durationMs = Math.round(nowMs() - startedMs);
    journal.append('ToolCallCompleted', { toolCall: { ...state, ...outcome, durationMs } });
    metrics.toolCall(outcome.status, durationMs);
    if (this.aborter.signal.aborted) return;
    this.parts.deliver(call, outcome.result, epoch !== this.epoch);
    batch.running -= 1;
    this.settle(responseId, batch);
  }

  private settle(responseId: string, batch: Batch): void {
    if (!batch.responseDone || batch.running > 0) return;
    this.batches.delete(responseId);
    this.parts.answered(responseId);
  }
}

/** Undefined for what is no JSON. No arguments at all are an empty object. */
function parseArguments(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
