import { AppError } from '../lib/errors.js';
import type { Logger } from '../ports/logger.js';
import type { CallControl, CallPlan, HttpTool } from '../ports/media-session.js';
import { isAllowed, isBuiltIn, isOffered, type BuiltInTool } from './built-in-tools.js';
import type { Deadlines } from './deadlines.js';
import type { RequestedCall, ToolOutcome } from './function-calls.js';

/** Arguments of a tool: an object whose fields are not to be trusted. */
export type ToolArguments = Readonly<Record<string, unknown>>;

/** A built-in tool at work. Throws {@link ToolError} for what the model did wrong. */
export type BuiltInActions = { [T in BuiltInTool]: (args: ToolArguments) => unknown };

/** What is wrong with a tool call, in words for the model. */
export class ToolError extends Error {}

/** Longer than the tool's own time: the services end it themselves, this is for when they do not. */
const GRACE_MS = 2_000;
const BUILT_IN_TIMEOUT_MS = 20_000;

/** Carries out what the model asks for, within what the plan allows. */
export class ToolRunner {
  constructor(
    private readonly parts: {
      plan: CallPlan;
      control: CallControl;
      deadlines: Deadlines;
      log: Logger;
      intent: () => string | null;
      actions: BuiltInActions;
    },
  ) {}

  /** Never rejects: a failure is an answer that the model can speak about. */
  async run(call: RequestedCall, signal: AbortSignal): Promise<ToolOutcome> {
    const { plan } = this.parts;
    const { name, args } = call;
    if (typeof args !== 'object' || args === null || Array.isArray(args))
      return failed('The arguments are not a JSON object.');
    if (isBuiltIn(name)) {
      if (!isOffered(plan, name)) return failed(`There is no tool named ${name}.`);
      return this.attempt(call, signal, BUILT_IN_TIMEOUT_MS, async () => ({
        status: 'SUCCEEDED',
        result: (await this.parts.actions[name](args as ToolArguments)) ?? { ok: true },
      }));
    }
    const tool = plan.tools.find((candidate) => candidate.name === name);
    if (tool === undefined) return failed(`There is no tool named ${name}.`);
    const intent = this.parts.intent();
    if (!isAllowed(plan, intent, name)) {
      const because =
        intent === null ? 'It belongs to no intent of this agent.' : `The intent ${intent} does not allow it.`;
      return { status: 'REFUSED', result: { error: `The tool ${name} is refused. ${because}` } };
    }
    return this.attempt(call, signal, tool.timeoutMs + GRACE_MS, () => this.runHttp(tool, args, signal));
  }

  private async runHttp(tool: HttpTool, args: unknown, signal: AbortSignal): Promise<ToolOutcome> {
    const { ok, result } = await this.parts.control.runHttpTool(tool, args, signal);
    return { status: ok ? 'SUCCEEDED' : 'FAILED', result };
  }

  /** The work, or a failure when it throws, takes too long, or nobody waits for it any more. */
  private attempt(
    call: RequestedCall,
    signal: AbortSignal,
    timeoutMs: number,
    work: () => Promise<ToolOutcome>,
  ): Promise<ToolOutcome> {
    const { deadlines, log } = this.parts;
    const deadline = `tool:${call.callId}`;
    return new Promise((resolve) => {
      const settle = (outcome: ToolOutcome): void => {
        deadlines.cancel(deadline);
        signal.removeEventListener('abort', onAbort);
        resolve(outcome);
      };
      const onAbort = (): void => settle(failed('The call ended.'));
      signal.addEventListener('abort', onAbort);
      deadlines.after(deadline, timeoutMs, () => settle(failed('The tool took too long.')));
      work().then(settle, (error: unknown) => {
        const expected = error instanceof ToolError || error instanceof AppError;
        if (!expected && !signal.aborted) log.error({ err: error, tool: call.name }, 'a tool failed unexpectedly');
        settle(failed(expected ? error.message : 'The tool failed.'));
      });
    });
  }
}

function failed(error: string): ToolOutcome {
  return { status: 'FAILED', result: { error } };
}
