import type { EntityManager } from '@mikro-orm/postgresql';
import { SessionEvent, Turn, type AgentTool, type Call, type VoiceSession } from '../entities/index.js';
import { fillIn } from '../lib/prompt-template.js';
import type { CallPlan, ConversationMark, HttpTool } from '../ports/media-session.js';
import type { SessionEventPayloads, SupervisorAction, TurnState } from '../ports/session-events.js';
import { loadCallSetting, type CallSetting } from './call-setting.js';
import { PLAIN_PROMPT, resolvePrompt } from './prompts.js';

const TRANSCRIPTION_MODEL = 'gpt-4o-mini-transcribe';
const SILENCING: ReadonlySet<SupervisorAction> = new Set(['MUTE', 'TAKE_OVER']);

/** What this claim of a session adds to its rows. */
export interface Claim {
  call: Call;
  session: VoiceSession;
  streamSid: string;
}

/** Everything that the engine needs to know, resolved: the request first, then the agent version, then the tenant. */
export async function assemblePlan(em: EntityManager, { call, session, streamSid }: Claim): Promise<CallPlan> {
  const setting = await loadCallSetting(em, call);
  const { version, route, telephony } = setting;
  const history = await loadHistory(em, session.id);
  const log = await loadLogFacts(em, session.id);
  const values = { ...valuesOf(setting), ...call.promptVariables };
  const greeting = call.greeting ?? version?.greeting;
  return {
    tenantId: call.tenantId,
    callId: call.id,
    sessionId: session.id,
    callSid: session.callSid ?? call.callSid ?? '',
    streamSid,
    generation: session.ownerGeneration,
    sessionStartedAt: session.startedAt,
    direction: call.direction,
    synthetic: call.synthetic,
    model: session.model,
    voice: session.voice ?? null,
    instructions: fillIn(await promptOf(em, setting), values),
    greeting: greeting == null ? null : fillIn(greeting, values),
    consentLine: version?.consentLine ?? null,
    language: version?.language ?? null,
    turnDetection: version?.turnDetection ?? null,
    transcriptionModel: TRANSCRIPTION_MODEL,
    tools: (version?.tools ?? []).map(withoutSecret),
    intents: Object.fromEntries((version?.intents ?? []).map((intent) => [intent.name, intent.tools])),
    escalationRules: version?.escalationRules ?? [],
    successSignals: version?.successSignals ?? [],
    transferTarget: route?.transferNumber ?? telephony.transferNumber,
    maxDurationMs: (version?.maxDurationSeconds ?? telephony.maxDurationSeconds) * 1_000,
    history: history.filter((turn) => turn.final && turn.text !== ''),
    nextTurnIndex: history.reduce((next, turn) => Math.max(next, turn.index + 1), 0),
    resumed: log.started,
    silenced: log.silenced,
    phoneId: log.phoneId,
    currentIntent: session.intent ?? null,
    marks: log.marks,
  };
}

function withoutSecret({ name, description, parameters, url, method, timeoutMs, secretHeader }: AgentTool): HttpTool {
  return { name, description, parameters, url, method, timeoutMs, secretHeader };
}

/** The version's own prompt, else its prompt key (at a revision, or the published one), else the tenant's, else a plain one. */
async function promptOf(em: EntityManager, { version, config, tenant }: CallSetting): Promise<string> {
  return (
    version?.prompt ??
    (await promptByKey(em, tenant.id, version?.promptKey, version?.promptRevision)) ??
    (await promptByKey(em, tenant.id, config?.systemPromptKey, null)) ??
    PLAIN_PROMPT
  );
}

/** Of variables, where the request does not say otherwise. */
const valuesOf = ({ version, agent, tenant }: CallSetting): Record<string, string> => ({
  tenant_name: tenant.name,
  agent_name: agent?.name ?? '',
  ...version?.promptVariables,
});

async function promptByKey(
  em: EntityManager,
  tenantId: string,
  key: string | null | undefined,
  revision: number | null | undefined,
): Promise<string | null> {
  return key == null ? null : ((await resolvePrompt(em, tenantId, key, revision ?? null))?.text ?? null);
}

async function loadHistory(em: EntityManager, sessionId: string): Promise<TurnState[]> {
  const turns = await em.find(Turn, { sessionId }, { orderBy: { index: 'asc' } });
  return turns.map((turn) => ({
    id: turn.id,
    index: turn.index,
    speaker: turn.speaker,
    text: turn.text,
    final: turn.final,
    interrupted: turn.interrupted,
    startedAtMs: turn.startedAtMs,
    endedAtMs: turn.endedAtMs ?? null,
    latencyMs: turn.latencyMs ?? null,
  }));
}

/** What a resumed engine must not forget: whether the session began, and which concerns came up about what. */
async function loadLogFacts(
  em: EntityManager,
  sessionId: string,
): Promise<{ started: boolean; marks: ConversationMark[] } & Pick<CallPlan, 'silenced' | 'phoneId'>> {
  const events = await em.find(
    SessionEvent,
    { sessionId, type: { $in: ['SessionStarted', 'ConcernRaised', 'IntentIdentified', 'SupervisorActed'] } },
    { orderBy: { seq: 'asc' } },
  );
  const marks = events.flatMap(({ type, payload }): ConversationMark[] => {
    const { concern, intent } = payload as { concern?: string; intent?: string };
    if (type === 'ConcernRaised' && concern !== undefined) return [{ kind: 'concern', name: concern }];
    return type === 'IntentIdentified' && intent !== undefined ? [{ kind: 'intent', name: intent }] : [];
  });
  const acts = events
    .filter(({ type }) => type === 'SupervisorActed')
    .map(({ payload }) => payload as unknown as SessionEventPayloads['SupervisorActed']);
  return { started: events.some((event) => event.type === 'SessionStarted'), marks, ...silenceOf(acts) };
}

/** Whether the agent has the word, after all that supervisors did. */
function silenceOf(acts: readonly SessionEventPayloads['SupervisorActed'][]): Pick<CallPlan, 'silenced' | 'phoneId'> {
  const last = acts.findLast(({ action }) => SILENCING.has(action) || action === 'UNMUTE' || action === 'HAND_BACK');
  const silenced = last !== undefined && SILENCING.has(last.action);
  return { silenced, phoneId: silenced && last.action === 'TAKE_OVER' && last.target !== null ? last.commandId : null };
}
