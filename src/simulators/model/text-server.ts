import type { IncomingMessage, ServerResponse } from 'node:http';
import { valueFor, type Schema } from './text.js';

/** Faults of the text model; changeable while it runs. */
export interface TextFaults {
  /** Answer with this HTTP status. */
  status: number | null;
  delayMs: number;
  /** The content of the answer is cut off. */
  invalidJson: boolean;
}

export const noTextFaults = (): TextFaults => ({ status: null, delayMs: 0, invalidJson: false });

interface TextRequest {
  request: IncomingMessage;
  response: ServerResponse;
  authorised: boolean;
  faults: Readonly<TextFaults>;
  /** A completion was asked for. */
  onRequest: () => void;
}

const MODELS = '/v1/models/';

/** Chat Completions with `json_schema`, and the model lookup that health probes use. */
export async function serveText({ request, response, authorised, faults, onRequest }: TextRequest): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const error = (status: number, message: string) =>
    answer(status, { error: { message, type: 'invalid_request_error', param: null, code: null } });
  try {
    const body = await bodyOf(request);
    if (!authorised) return error(401, 'Incorrect API key provided.');
    const lookup = request.method === 'GET' && request.url?.startsWith(MODELS) === true;
    if (!lookup && (request.method !== 'POST' || request.url !== '/v1/chat/completions'))
      return error(404, 'Unknown path.');
    if (!lookup) onRequest();
    if (faults.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.delayMs).unref());
    if (faults.status !== null) return error(faults.status, 'The service is in trouble.');
    if (lookup) return answer(200, { id: request.url!.slice(MODELS.length), object: 'model' });
    const asked = parse(body);
    if (asked === null) return error(400, 'We could not parse the JSON body of your request.');
    answer(200, completion(asked, faults.invalidJson));
  } catch {
    // The client left while it was speaking.
    response.destroy();
  }
}

interface Asked {
  model: string;
  messages: { role: string; content: string }[];
  response_format: { type: 'json_schema'; json_schema: { name: string; strict?: boolean; schema: Schema } };
}

function completion({ model, messages, response_format }: Asked, cut: boolean): object {
  const input = messages.findLast((message) => message.role === 'user')?.content ?? '';
  const content = JSON.stringify(valueFor(response_format.json_schema.schema, input));
  const prompt_tokens = Math.ceil(messages.reduce((sum, message) => sum + message.content.length, 0) / 4);
  const completion_tokens = Math.ceil(content.length / 4);
  const message = { role: 'assistant', content: cut ? content.slice(0, -2) : content, refusal: null };
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 0,
    model,
    choices: [{ index: 0, finish_reason: 'stop', message }],
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The request in the one form that is understood here, or null. */
function parse(body: string): Asked | null {
  try {
    const asked = JSON.parse(body) as Partial<Asked>;
    const understood =
      typeof asked.model === 'string' &&
      Array.isArray(asked.messages) &&
      asked.messages.every((message) => typeof message?.content === 'string') &&
      typeof asked.response_format?.json_schema?.schema === 'object';
    return understood ? (asked as Asked) : null;
  } catch {
    return null;
  }
}
