import { AppError, invalid } from '../lib/errors.js';
import { acknowledgementId, type SupervisorCommand } from '../ports/live-calls.js';
import type { SupervisorAction } from '../ports/session-events.js';
import type { Conversation } from './conversation.js';
import type { CallParts } from './engine-context.js';

type Deed = (parts: CallParts, talk: Conversation, command: SupervisorCommand) => void | Promise<void>;

const DEEDS: Record<SupervisorAction, Deed> = {
  SAY: (_parts, talk, command) => talk.say(needed(command, 'text')),
  WHISPER: (_parts, talk, command) => talk.tell(needed(command, 'text'), false),
  MUTE: (_parts, talk) => talk.mute(),
  TAKE_OVER: (_parts, talk) => talk.mute(),
  UNMUTE: (_parts, talk) => talk.unmute(),
  HAND_BACK: (_parts, talk) => talk.unmute(),
  TRANSFER: (parts, _talk, command) => transfer(parts, command, needed(command, 'target')),
  ESCALATE: (parts, _talk, command) => transfer(parts, command, command.target ?? parts.plan.transferTarget),
  END: (parts) => parts.ending.hangUp('INTENT'),
};

/** Carries out what a supervisor wants, then says so in the session log: the entry is the acknowledgement. */
export async function superviseCall(
  parts: CallParts,
  talk: Conversation,
  isLive: () => boolean,
  command: SupervisorCommand,
): Promise<void> {
  if (!isLive() || parts.ending.leaving) throw new AppError('CALL_NOT_ACTIVE', 'The call is ending');
  await DEEDS[command.action](parts, talk, command);
  const { action, by, text, target, commandId } = command;
  const acted = { action, by, text, target, commandId };
  if (commandId === null) parts.journal.append('SupervisorActed', acted);
  else parts.journal.append('SupervisorActed', acted, acknowledgementId(commandId));
}

/** A supervisor does not wait for the agent to finish its sentence. */
async function transfer(parts: CallParts, command: SupervisorCommand, target: string | null): Promise<void> {
  const escalation = {
    reason: command.text ?? 'A supervisor took the call.',
    trigger: null,
    action: target === null ? ('RECORD' as const) : ('TRANSFER' as const),
    target,
    initiatedBy: 'SUPERVISOR' as const,
  };
  if (target !== null) await parts.ending.transfer(target);
  parts.journal.append('SessionEscalated', { escalation });
}

function needed(command: SupervisorCommand, field: 'text' | 'target'): string {
  const value = command[field]?.trim();
  if (!value) throw invalid({ path: field, message: `is needed for ${command.action}` });
  return value;
}
