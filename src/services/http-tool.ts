import type { AgentTool } from '../entities/index.js';
import { open } from '../lib/crypto.js';
import type { HttpTool } from '../ports/media-session.js';
import { OutboundHttpError, type OutboundHttp, type OutboundResponse } from '../ports/outbound-http.js';
import type { ServiceContext } from './context.js';

/** More than this is no answer that a model could speak about. */
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_ERROR_CHARACTERS = 500;

/** What the model is told. */
export interface ToolResult {
  ok: boolean;
  result: unknown;
}

/** Which call a tool runs for; sent along, so that the tenant's system can tell calls apart. */
export interface ToolCaller {
  tenantId: string;
  callId: string;
  sessionId: string;
  /** A test call: the tenant's system may answer without acting. */
  synthetic: boolean;
}

/** Carries out the HTTP tools that tenants define. Never throws: whatever goes wrong is something to tell the model. */
export class HttpToolRunner {
  constructor(
    private readonly context: ServiceContext,
    private readonly http: OutboundHttp,
  ) {}

  async run(
    tool: HttpTool,
    stored: AgentTool | undefined,
    args: unknown,
    caller: ToolCaller,
    signal: AbortSignal,
  ): Promise<ToolResult> {
    try {
      return toResult(await this.http.request(this.requestOf(tool, stored, args, caller, signal)));
    } catch (error) {
      const { tenantId, callId } = caller;
      this.context.log.warn({ err: error, tenantId, callId, tool: tool.name }, 'tool failed');
      return failed(error instanceof OutboundHttpError ? FAILURES[error.kind] : 'the tool could not be called');
    }
  }

  private requestOf(
    tool: HttpTool,
    stored: AgentTool | undefined,
    args: unknown,
    caller: ToolCaller,
    signal: AbortSignal,
  ) {
    const headers: Record<string, string> = {
      accept: 'application/json',
      'x-trunkline-call-id': caller.callId,
      'x-trunkline-session-id': caller.sessionId,
      ...(caller.synthetic ? { 'x-trunkline-synthetic': 'true' } : {}),
    };
    if (tool.secretHeader !== null && stored?.secretSealed != null)
      headers[tool.secretHeader.toLowerCase()] = open(this.context.settings.encryptionKey, stored.secretSealed);
    const limits = { timeoutMs: tool.timeoutMs, maxResponseBytes: MAX_RESPONSE_BYTES, signal };
    if (tool.method === 'GET') return { method: 'GET' as const, url: withQuery(tool.url, args), headers, ...limits };
    headers['content-type'] = 'application/json';
    return { method: 'POST' as const, url: tool.url, headers, body: JSON.stringify(args ?? {}), ...limits };
  }
}

const FAILURES: Record<OutboundHttpError['kind'], string> = {
  forbidden_address: 'the tool has an address that is not allowed',
  timeout: 'the tool did not answer in time',
  connect: 'the tool cannot be reached',
  aborted: 'the tool call was canceled',
};

function failed(error: string, more: object = {}): ToolResult {
  return { ok: false, result: { error, ...more } };
}

function toResult({ status, body, truncated }: OutboundResponse): ToolResult {
  if (status < 200 || status > 299)
    return failed(`the tool answered with HTTP ${status}`, { body: body.slice(0, MAX_ERROR_CHARACTERS) });
  if (truncated) return failed('the answer of the tool was too long');
  try {
    return { ok: true, result: body === '' ? null : JSON.parse(body) };
  } catch {
    return { ok: true, result: body };
  }
}

function withQuery(url: string, args: unknown): string {
  const target = new URL(url);
  if (args !== null && typeof args === 'object')
    for (const [name, value] of Object.entries(args))
      if (value !== null && value !== undefined)
        target.searchParams.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  return target.href;
}
