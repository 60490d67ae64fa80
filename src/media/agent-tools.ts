import type { RealtimeClientEvent } from '../ports/realtime-model.js';
import type { AgentActs } from './agent-acts.js';
import { isBuiltIn } from './built-in-tools.js';
import type { CallParts } from './engine-context.js';
import { FunctionCalls } from './function-calls.js';
import { textItem, toolOutputItem } from './model-items.js';
import { ToolRunner } from './tool-runner.js';

export interface AgentToolParts extends CallParts {
  acts: AgentActs;
  nowMs: () => number;
  turnIndex: () => number | null;
  /** To the model; `note` says the same in words, for a session that comes later. */
  deliver: (event: RealtimeClientEvent, note: string) => void;
  answered: (responseId: string) => void;
}

/** The agent's tools at work: what may run, what it did, and what its failures mean for the escalation rules. */
export function agentTools(parts: AgentToolParts): FunctionCalls {
  const { acts, deliver } = parts;
  const runner = new ToolRunner({ ...parts, intent: () => acts.intent, actions: acts.actions });
  return new FunctionCalls({
    ...parts,
    metrics: parts.context.metrics,
    run: async (call, signal) => {
      const outcome = await runner.run(call, signal);
      // Built-in tools fail by the model's own mistakes, which say nothing of the tenant's systems.
      if (isBuiltIn(call.name) || signal.aborted) return outcome;
      if (outcome.status === 'SUCCEEDED') acts.toolSucceeded();
      if (outcome.status === 'FAILED') acts.signal('tool_failed');
      return outcome;
    },
    deliver: (call, result, lost) => {
      const note = `The tool ${call.name} answered: ${JSON.stringify(result ?? null)}`;
      deliver(lost ? textItem('system', note) : toolOutputItem(call.callId, result), note);
    },
  });
}
