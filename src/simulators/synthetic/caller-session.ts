import type { RealtimeConnection, RealtimeModel, RealtimeServerEvent } from '../../ports/realtime-model.js';

export interface CallerSessionOptions {
  model: string;
  instructions: string;
  turnDetection: object | null;
  tools: readonly object[];
}

export interface CallerSessionHandlers {
  /** The session is configured. Once. */
  onReady(): void;
  onEvent(event: RealtimeServerEvent): void;
  /** base64 of µ-law. */
  onAudio(audio: string): void;
  /** The session is of no use, or gone; `why` is for people. May come more than once. */
  onLost(why: string): void;
}

/** Not the agent's own voice, so that people who listen can tell the two apart. */
const CALLER_VOICE = 'cedar';
/** What one person says at a time. */
const MAX_OUTPUT_TOKENS = 1_000;

/** A realtime session that speaks for a caller: µ-law both ways, told what to be once it is open. */
export function callerSession(
  model: RealtimeModel,
  { model: name, instructions, turnDetection, tools }: CallerSessionOptions,
  handlers: CallerSessionHandlers,
): RealtimeConnection {
  let ready = false;
  const connection = model.connect(
    { model: name },
    {
      onOpen: () =>
        connection.send({
          type: 'session.update',
          session: {
            type: 'realtime',
            output_modalities: ['audio'],
            instructions,
            max_output_tokens: MAX_OUTPUT_TOKENS,
            audio: {
              input: { format: { type: 'audio/pcmu' }, turn_detection: turnDetection },
              output: { format: { type: 'audio/pcmu' }, voice: CALLER_VOICE },
            },
            tools,
            tool_choice: 'auto',
          },
        }),
      onEvent: (event) => {
        if (event.type === 'session.updated' && !ready) {
          ready = true;
          handlers.onReady();
        } else if (event.type === 'error' && !ready) handlers.onLost(`the model refused the session: ${said(event)}`);
        else handlers.onEvent(event);
      },
      onAudio: ({ audio }) => handlers.onAudio(audio),
      onClose: ({ code, httpStatus }) => handlers.onLost(`the model's socket closed with ${httpStatus ?? code}`),
    },
  );
  return connection;
}

function said(event: RealtimeServerEvent): string {
  const message = (event['error'] as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : 'no reason given';
}
