import { newId } from '../lib/ids.js';
import { AppError, invalid } from '../lib/errors.js';
import { acknowledgementId, type CommandAction, type SupervisorCommand } from '../ports/live-calls.js';
import type { SupervisorAction } from '../ports/session-events.js';
import type { Conversation } from './conversation.js';
import type { CallParts } from './engine-context.js';
import { NOBODY_CAME, PERSON_IS_CALLED } from './instructions.js';

interface Deed {
  run(parts: CallParts, talk: Conversation, command: SupervisorCommand): void | Promise<void>;
  /** How the log names it; null: it writes its entry itself. */
  as: SupervisorAction | null;
}

/** What each command does to the call. */
const DEEDS: Record<CommandAction, Deed> = {
  SAY: { as: 'SAY', run: (_parts, talk, command) => talk.say(needed(command, 'text')) },
  WHISPER: { as: 'WHISPER', run: (_parts, talk, command) => talk.tell(needed(command, 'text'), false) },
  MUTE: { as: 'MUTE', run: (_parts, talk) => talk.mute() },
  UNMUTE: { as: 'UNMUTE', run: unmute },
  TAKE_OVER: { as: 'TAKE_OVER', run: takeOver },
  HAND_BACK: { as: 'HAND_BACK', run: handBack },
  TRANSFER: { as: 'TRANSFER', run: (parts, _talk, command) => transfer(parts, command, needed(command, 'target')) },
  ESCALATE: {
    as: 'ESCALATE',
    run: (parts, _talk, command) => transfer(parts, command, command.target ?? parts.plan.transferTarget),
  },
  END: { as: 'END', run: (parts) => parts.ending.hangUp('INTENT') },

  WARM_TRANSFER: {
    as: 'TRANSFER',
    run: async (parts, talk, command) => {
      await parts.control.bringPerson({ commandId: idOf(command), target: needed(command, 'target'), briefed: true });
      talk.tell(PERSON_IS_CALLED, true);
    },
  },
  CONNECT: {
    as: null,
    run: async ({ ending, journal }, _talk, command) => {
      const target = needed(command, 'target');
      await ending.joinPerson(needed(command, 'text'));
      const escalation = { reason: TAKEN, trigger: null, action: 'TRANSFER' as const, target };
      journal.append(
        'SessionEscalated',
        { escalation: { ...escalation, initiatedBy: 'SUPERVISOR' } },
        acknowledgementId(idOf(command)),
      );
    },
  },
  // The caller is with the agent again, in the log as well.
  TRANSFER_FAILED: { as: 'HAND_BACK', run: (_parts, talk) => talk.tell(NOBODY_CAME, true) },
  PHONE_LEFT: {
    as: 'HAND_BACK',
    run: (_parts, talk, command) => {
      if (!talk.phone.left(needed(command, 'target'))) throw new AppError('CONFLICT', 'This phone is not in the call');
    },
  },
};

const TAKEN = 'A supervisor took the call.';

/** Carries out what a supervisor wants, then says so in the session log: the entry is the acknowledgement. */
export async function superviseCall(
  parts: CallParts,
  talk: Conversation,
  isLive: () => boolean,
  command: SupervisorCommand,
): Promise<void> {
  if (!isLive() || parts.ending.leaving) throw new AppError('CALL_NOT_ACTIVE', 'The call is ending');
  const { run, as: action } = DEEDS[command.action];
  await run(parts, talk, command);
  if (action === null) return;
  const { by, text, commandId } = command;
  // What comes back to the agent goes to nobody.
  const target = action === 'HAND_BACK' ? null : command.target;
  parts.journal.append(
    'SupervisorActed',
    { action, by, text, target, commandId },
    commandId === null ? newId() : acknowledgementId(commandId),
  );
}

function unmute(_parts: CallParts, talk: Conversation): void {
  // Two voices at once; and handing back says what is meant.
  if (talk.phone.silencing) throw new AppError('CONFLICT', 'A phone has taken this call over; hand it back instead');
  talk.unmute();
}

/** Without a phone the agent falls silent at once; with one when it joins. */
async function takeOver(parts: CallParts, talk: Conversation, command: SupervisorCommand): Promise<void> {
  const { target } = command;
  if (talk.phone.taken) throw new AppError('CONFLICT', 'A phone takes this call over already; hand it back first');
  if (target === null) return talk.mute();
  const phoneId = idOf(command);
  talk.phone.expect(phoneId);
  try {
    await parts.control.bringPerson({ commandId: phoneId, target, briefed: false });
  } catch (error) {
    talk.phone.left(phoneId);
    throw error;
  }
}

function handBack({ control, log }: CallParts, talk: Conversation): void {
  const phoneId = talk.phone.dismiss();
  if (phoneId === null) return;
  control
    .dismissPerson(phoneId)
    .catch((error: unknown) => log.warn({ err: error }, 'a phone that was handed back could not be hung up'));
}

/** A supervisor does not wait for the agent to finish its sentence. */
async function transfer(parts: CallParts, command: SupervisorCommand, target: string | null): Promise<void> {
  const escalation = {
    reason: command.text ?? TAKEN,
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

/** Whoever is brought in is known by the command that asked for them. */
function idOf({ commandId }: SupervisorCommand): string {
  if (commandId === null) throw invalid({ path: 'commandId', message: 'is needed to bring somebody in' });
  return commandId;
}
