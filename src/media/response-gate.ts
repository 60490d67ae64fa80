import { newId } from '../lib/ids.js';
import type { RealtimeClientEvent } from '../ports/realtime-model.js';
import type { Deadlines } from './deadlines.js';

/** A wish for the model to speak. */
export interface ResponseRequest {
  /** `reply`: answer to what is in the conversation now. Several waiting replies or greetings are one wish. */
  purpose: 'reply' | 'greeting' | 'say' | 'goodbye';
  /** For this response only, instead of the session's. */
  instructions?: string;
  /** Forbids tools: a line that must be said must not become a function call. */
  speechOnly?: boolean;
}

interface InFlight {
  eventId: string;
  request: ResponseRequest;
}

/** Why nothing may be asked for: the caller speaks, or a supervisor silenced the agent. */
export type HoldReason = 'caller' | 'mute';

/** How long to wait for news of the response that stood in the way. */
const BLOCKED_MS = 1_000;

/** How often one request is sent again after the model said that a response is already active. */
const MAX_TRIES = 5;

/**
 * One response at a time. The model answers the caller by itself (`create_response`), and refuses `response.create` while
 * a response is active; so requests wait here until the way is free, and come back when they were refused. While the
 * caller speaks nothing is asked for: the answer to his words will cover what was to be said.
 */
export class ResponseGate {
  private queue: ResponseRequest[] = [];
  private inFlight: InFlight | null = null;
  private activeId: string | null = null;
  /** Requests that the model has neither begun nor refused, as far as we know. */
  private readonly unanswered = new Map<string, ResponseRequest>();
  private readonly tries = new WeakMap<ResponseRequest, number>();
  /** True once the model has echoed our metadata: from then on a response without it is certainly not ours. */
  private echoesMetadata = false;
  private readonly holds = new Set<HoldReason>();
  private open = false;
  /** Refused because of a response that we have not heard of yet. */
  private blocked = false;

  constructor(
    private readonly send: (event: RealtimeClientEvent) => void,
    private readonly deadlines: Deadlines,
  ) {}

  /** The model's response in progress; null between responses. */
  get activeResponseId(): string | null {
    return this.activeId;
  }

  /** Nothing in progress, asked for or waiting. */
  get idle(): boolean {
    return this.activeId === null && this.inFlight === null && this.queue.length === 0;
  }

  /** The model produces something, or was asked to: silence from it now means trouble. */
  get awaiting(): boolean {
    return this.activeId !== null || this.inFlight !== null;
  }

  request(request: ResponseRequest): void {
    const joins = request.purpose === 'reply' || request.purpose === 'greeting';
    if (joins && this.queue.some((waiting) => waiting.purpose === request.purpose)) return;
    this.queue.push(request);
    this.pump();
  }

  /** The session is configured: requests may go out. */
  start(): void {
    this.open = true;
    this.pump();
  }

  /** `caller`: nothing is sent. `mute`: only what a supervisor wants said. */
  hold(reason: HoldReason): void {
    this.holds.add(reason);
  }

  release(reason: HoldReason): void {
    if (this.holds.delete(reason)) this.pump();
  }

  /** `response.created`. Returns the request that it answers; null: the model speaks of its own accord. */
  created(responseId: string, metadata: unknown): ResponseRequest | null {
    this.blocked = false;
    this.activeId = responseId;
    const tag = tagOf(metadata);
    const request = tag === null ? this.guess() : (this.unanswered.get(tag) ?? null);
    if (tag !== null && request !== null) {
      this.echoesMetadata = true;
      this.unanswered.delete(tag);
      if (this.inFlight?.eventId === tag) this.inFlight = null;
    }
    // Its own answer to the caller sees everything that a waiting plain reply would have said.
    if (request === null) this.queue = this.queue.filter((waiting) => waiting.purpose !== 'reply');
    return request;
  }

  /** `response.done`, whatever its status. */
  done(responseId: string): void {
    if (this.activeId !== responseId) return;
    this.activeId = null;
    // A refusal would have come before: this was the answer, from a model that does not echo metadata.
    if (!this.echoesMetadata) this.inFlight = null;
    this.pump();
  }

  /** An `error` event that names one of our events. True: it was this gate's, and is dealt with. */
  refused(eventId: string, code: string | null): boolean {
    const request = this.unanswered.get(eventId);
    if (request === undefined) return false;
    this.unanswered.delete(eventId);
    if (this.inFlight?.eventId === eventId) this.inFlight = null;
    const tries = (this.tries.get(request) ?? 0) + 1;
    this.tries.set(request, tries);
    if (code === 'conversation_already_has_active_response' && tries < MAX_TRIES) {
      this.queue.unshift(request);
      // The other response's `created` is on its way, and its `done` will pump; or both have passed already.
      this.blocked = this.activeId === null;
      if (this.blocked) this.deadlines.after('gate', BLOCKED_MS, () => this.unblock());
    }
    this.pump();
    return true;
  }

  /** The model session is gone. What was asked for and not begun is asked again of the next one. */
  reset(): void {
    if (this.inFlight !== null) this.queue.unshift(this.inFlight.request);
    this.inFlight = null;
    this.activeId = null;
    this.unanswered.clear();
    this.open = false;
    this.blocked = false;
    this.holds.delete('caller');
    this.echoesMetadata = false;
  }

  /** Takes back what has not been asked for yet. */
  cancelWaiting(): void {
    this.queue = [];
  }

  /** Whose response is one without a tag? Before the first echoed tag it may be the one that was asked for. */
  private guess(): ResponseRequest | null {
    return this.echoesMetadata ? null : (this.inFlight?.request ?? null);
  }

  private unblock(): void {
    this.blocked = false;
    this.pump();
  }

  private pump(): void {
    if (!this.open || this.blocked || this.holds.has('caller') || this.activeId !== null || this.inFlight !== null)
      return;
    // A silenced agent still lends its voice to the supervisor.
    const next = this.queue.findIndex((waiting) => !this.holds.has('mute') || waiting.purpose === 'say');
    const [request] = next < 0 ? [] : this.queue.splice(next, 1);
    if (request === undefined) return;
    this.inFlight = { eventId: newId(), request };
    this.unanswered.set(this.inFlight.eventId, request);
    this.send({
      type: 'response.create',
      event_id: this.inFlight.eventId,
      response: {
        metadata: { request: this.inFlight.eventId },
        ...(request.instructions === undefined ? {} : { instructions: request.instructions }),
        ...(request.speechOnly === true ? { tool_choice: 'none' } : {}),
      },
    });
  }
}

function tagOf(metadata: unknown): string | null {
  if (typeof metadata !== 'object' || metadata === null) return null;
  const tag = (metadata as Record<string, unknown>)['request'];
  return typeof tag === 'string' ? tag : null;
}
