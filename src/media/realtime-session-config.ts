import { languageName, transcribedLanguage } from '../lib/languages.js';
import { DEFAULT_TURN_DETECTION, type CallPlan } from '../ports/media-session.js';
import { CUSTOM_VOICE, type RealtimeClientEvent } from '../ports/realtime-model.js';
import { toolDefinitions } from './built-in-tools.js';

/** What turn detection does by itself; the bridge does the rest. */
export interface TurnTaking {
  /** The model answers when the caller stops speaking. */
  createsResponse: boolean;
  /** The model stops generating when the caller begins to speak. */
  interruptsResponse: boolean;
}

export function turnTaking(plan: CallPlan): TurnTaking {
  const detection = plan.turnDetection ?? DEFAULT_TURN_DETECTION;
  return {
    createsResponse: detection['create_response'] !== false,
    interruptsResponse: detection['interrupt_response'] !== false,
  };
}

/** `session.update` of a new model session: the agent's whole contract (protocols.md, part A). */
export function sessionUpdate(plan: CallPlan): RealtimeClientEvent {
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      output_modalities: ['audio'],
      instructions: instructionsOf(plan),
      audio: {
        input: {
          format: { type: 'audio/pcmu' },
          transcription: transcription(plan),
          turn_detection: turnDetection(plan),
        },
        output: { format: { type: 'audio/pcmu' }, ...(plan.voice === null ? {} : { voice: voice(plan.voice) }) },
      },
      tools: toolDefinitions(plan),
      tool_choice: 'auto',
    },
  };
}

/** `session.update` of a session that only writes down what it hears. */
export function listeningUpdate(plan: CallPlan): RealtimeClientEvent {
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      output_modalities: ['text'],
      audio: {
        input: {
          format: { type: 'audio/pcmu' },
          transcription: transcription(plan),
          turn_detection: { ...DEFAULT_TURN_DETECTION, create_response: false, interrupt_response: false },
        },
      },
    },
  };
}

/** `session.update` that lets the model listen without answering, or answer again. */
export function muteUpdate(plan: CallPlan, muted: boolean): RealtimeClientEvent {
  const detection = turnDetection(plan);
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      audio: { input: { turn_detection: muted ? { ...detection, create_response: false } : detection } },
    },
  };
}

/** The model has no setting for the language that it speaks. */
function instructionsOf({ instructions, language }: CallPlan): string {
  if (language === null) return instructions;
  return `${instructions}\n\nSpeak ${languageName(language)}, unless the caller wants another language.`;
}

const voice = (name: string): string | { id: string } => (CUSTOM_VOICE.test(name) ? { id: name } : name);

/** A language that the transcription does not know would cost the whole session: it is left out. */
function transcription({ transcriptionModel: model, language: tag }: CallPlan): Record<string, unknown> {
  const language = transcribedLanguage(tag);
  return { model, ...(language === null ? {} : { language }) };
}

function turnDetection(plan: CallPlan): Record<string, unknown> {
  return { ...(plan.turnDetection ?? DEFAULT_TURN_DETECTION) };
}
