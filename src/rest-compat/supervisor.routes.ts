import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import type { ActInput, Supervised, Supervisor } from '../services/supervisor.js';
import type { Viewer } from '../services/viewer.js';
import { viewerOf, type Access } from './auth.js';
import { CALL_STATUS_WORDS, statusWord } from './calls.mapper.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { camelDeep, type CamelDeep } from './naming.js';
import { Done, done, errors, Lenient, Maybe, Nullable, Strict, Text, Time, Word } from './schemas.js';

interface Act<B extends TProperties> {
  summary: string;
  description?: string;
  /** Fields of the body, beside `command_id`. */
  body?: B;
  run: (
    supervisor: Supervisor,
    viewer: Viewer,
    call: string,
    input: CamelDeep<Static<TObject<B>>> & ActInput,
  ) => Promise<Supervised>;
}
/** Its schema has checked the body by the time an act sees it. */
const act = <B extends TProperties = {}>(described: Act<B>) => described as unknown as AnyAct;
type AnyAct = Omit<Act<TProperties>, 'run'> & {
  run: (...asked: [supervisor: Supervisor, viewer: Viewer, call: string, input: ActInput]) => Promise<Supervised>;
};

const phone = { examples: ['+15555550100'], description: 'E.164.' };

/** `POST /calls/{call_sid}/<name>`, on the runtime and on the admin surface. */
const ACTS: Record<string, AnyAct> = {
  end: act({
    summary: 'Hang up',
    description: 'Also a call that still rings, or that was transferred.',
    run: (supervisor, ...asked) => supervisor.endCall(...asked),
  }),
  transfer: act({
    summary: 'Send the caller to another number',
    description: 'Warm: the person is called first and told what it is about, while the agent stays with the caller.',
    body: { to: Text(64, phone), warm: Maybe(Type.Boolean()) },
    run: (supervisor, ...asked) => supervisor.transferCall(...asked),
  }),
  escalate: act({
    summary: 'Escalate the call to a person',
    description: 'Without a target to the transfer number of the call; without one it is recorded only.',
    body: { reason: Text(500), target: Maybe(Text(64, phone)) },
    run: (supervisor, ...asked) => supervisor.escalateCall(...asked),
  }),
  say: act({
    summary: 'Let the agent say these words to the caller',
    body: { text: Text(1_000) },
    run: (supervisor, ...asked) => supervisor.sayToCaller(...asked),
  }),
  whisper: act({
    summary: 'Instruct the agent without the caller hearing it',
    body: { text: Text(2_000) },
    run: (supervisor, ...asked) => supervisor.whisperToAgent(...asked),
  }),
  mute: act({
    summary: 'Silence the agent',
    description: 'The caller is still transcribed.',
    run: (supervisor, ...asked) => supervisor.muteAgent(...asked),
  }),
  unmute: act({
    summary: 'Let the agent speak again',
    run: (supervisor, ...asked) => supervisor.unmuteAgent(...asked),
  }),
  'take-over': act({
    summary: 'Take the conversation over',
    description: 'The phone at `to` joins and the agent falls silent. Without `to` the supervisor speaks by `say`.',
    body: { to: Maybe(Text(64, phone)) },
    run: (supervisor, ...asked) => supervisor.takeOver(...asked),
  }),
  'hand-back': act({
    summary: 'Give the agent the word again',
    run: (supervisor, ...asked) => supervisor.handBack(...asked),
  }),
};

const Answer = Done(
  Type.Object({
    call_id: Type.String(),
    call_sid: Nullable(Type.String()),
    status: Word(CALL_STATUS_WORDS),
    escalated: Type.Boolean(),
    command_id: Type.String(),
    seq: Nullable(Type.Integer({ description: 'Of the entry in the session’s log; null: the call has none.' })),
    at: Nullable(Time()),
  }),
);

/** Stepping into a call, for tenants: needs the scope `operations:write`. */
export async function supervisorRoutes(app: RestApp, options: RestDoorOptions): Promise<void> {
  register(app, options, 'tenant', Lenient);
}

/** The same for admins, on calls of any tenant. */
export async function adminSupervisorRoutes(app: RestApp, options: RestDoorOptions): Promise<void> {
  register(app, options, 'admin', Strict);
}

function register(
  app: RestApp,
  { services }: RestDoorOptions,
  access: Access,
  shape: (properties: TProperties) => TSchema,
): void {
  const commandId = Maybe(
    Type.String({ format: 'uuid', maxLength: 64, description: 'Repeated with the same one, the act happens once.' }),
  );
  for (const [name, { summary, description, body, run }] of Object.entries(ACTS))
    app.route({
      method: 'POST',
      url: `/calls/:call_sid/${name}`,
      config: { access },
      schema: {
        tags: ['supervisors'],
        summary,
        ...(description === undefined ? {} : { description }),
        params: Strict({ call_sid: Text(100, { description: 'Twilio’s sid, or our id of the call.' }) }),
        body: shape({ ...body, command_id: commandId }),
        response: { 200: Answer, ...errors(409, 413, 415, 422, 503) },
      },
      handler: async (request) => {
        const { call_sid: call } = request.params as { call_sid: string };
        const input = camelDeep(request.body ?? {}) as ActInput;
        return answerOf(await run(services.calls.supervisor, viewerOf(request), call, input));
      },
    });
}

function answerOf({ call, commandId, event }: Supervised) {
  return done({
    call_id: call.id,
    call_sid: call.callSid ?? null,
    status: statusWord(call.status),
    escalated: call.escalated,
    command_id: commandId,
    seq: event?.seq ?? null,
    at: event?.at.toISOString() ?? null,
  });
}
