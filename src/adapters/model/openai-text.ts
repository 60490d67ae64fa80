import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { TextModelError, type TextModel } from '../../ports/text-model.js';

export interface OpenAITextOptions {
  apiKey: string;
  model: string;
  baseUrl: string | null;
  provider: 'openai' | 'simulator';
}

const TIMEOUT_MS = 30_000;

/** A text model with structured output over Chat Completions, which compatible servers understand too. */
export class OpenAIText implements TextModel {
  readonly provider: 'openai' | 'simulator';
  readonly model: string;
  private readonly client: OpenAI;

  constructor(options: OpenAITextOptions) {
    this.provider = options.provider;
    this.model = options.model;
    // The queue retries; a client that also does would multiply the load on a service in trouble.
    this.client = new OpenAI({
      apiKey: options.apiKey,
      baseURL: options.baseUrl ?? undefined,
      maxRetries: 0,
      timeout: TIMEOUT_MS,
    });
  }

  async complete<T>(request: {
    instructions: string;
    input: string;
    schemaName: string;
    schema: object;
    signal?: AbortSignal;
  }): Promise<T> {
    try {
      const completion = await this.client.chat.completions.create(
        {
          model: this.model,
          messages: [
            { role: 'system', content: request.instructions },
            { role: 'user', content: request.input },
          ],
          response_format: {
            type: 'json_schema',
            json_schema: { name: request.schemaName, strict: true, schema: request.schema as Record<string, unknown> },
          },
        },
        { signal: request.signal },
      );
      const message = completion.choices[0]?.message;
      if (message?.refusal) throw new TextModelError('the model refused', false);
      return JSON.parse(message?.content ?? '') as T;
    } catch (error) {
      throw asTextModelError(error);
    }
  }

  async probe(): Promise<void> {
    await this.client.models.retrieve(this.model).catch((error: unknown) => {
      throw asTextModelError(error);
    });
  }
}

/** 4xx that may pass: timeouts, conflicts, limits and quotas, and a key that somebody will mend. Others will not. */
const PASSING = new Set([401, 403, 408, 409, 429]);

function asTextModelError(error: unknown): TextModelError {
  if (error instanceof TextModelError) return error;
  if (error instanceof SyntaxError) return new TextModelError('the answer is not JSON', true, { cause: error });
  if (error instanceof APIUserAbortError) return new TextModelError('the request was given up', true, { cause: error });
  if (error instanceof APIConnectionError || !(error instanceof APIError))
    return new TextModelError('no answer from the text model', true, { cause: error });
  const status = Number(error.status ?? 0);
  const final = status >= 400 && status < 500 && !PASSING.has(status);
  return new TextModelError(`the text model answered ${status}`, !final, { cause: error, status });
}
