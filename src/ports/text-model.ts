/** A text model with structured output (OpenAI Responses/Chat, or the simulator on the same wire). */
export interface TextModel {
  /** Recorded with what it produced. */
  readonly provider: 'openai' | 'simulator';
  readonly model: string;
  /**
   * Asks for one JSON value that satisfies `schema` (strict JSON Schema: every property required, no extra ones).
   * Throws {@link TextModelError}; the caller decides whether to try again.
   */
  complete<T>(request: {
    instructions: string;
    input: string;
    schemaName: string;
    schema: object;
    signal?: AbortSignal;
  }): Promise<T>;
  /** A cheap authenticated request, for provider health. */
  probe(): Promise<void>;
}

export class TextModelError extends Error {
  /** HTTP status of the answer; null: there was none, or it was no refusal. */
  readonly status: number | null;

  constructor(
    message: string,
    /** False when the same request cannot succeed later (refused, invalid). */
    readonly retryable: boolean,
    options: { cause?: unknown; status?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = options.status ?? null;
    this.name = 'TextModelError';
  }
}
