/** What Twilio says about who answered (`AnsweredBy`). */
export type AnsweredBy =
  'human' | 'machine_start' | 'machine_end_beep' | 'machine_end_silence' | 'machine_end_other' | 'fax' | 'unknown';

/** Until a person pauses, a greeting is too long for one, or nobody has said anything. */
const DETECTION_MS: Partial<Record<AnsweredBy, number>> = { human: 1_500, unknown: 5_000 };
const MACHINE_MS = 4_000;

/** How long detection takes on a real line. */
export const detectionMs = (answeredBy: AnsweredBy): number => DETECTION_MS[answeredBy] ?? MACHINE_MS;

/** What the first webhook of a call with synchronous detection says more. Null: nobody asked. */
export function detectionFields(answeredBy: AnsweredBy | null): Record<string, string> {
  return answeredBy === null
    ? {}
    : { AnsweredBy: answeredBy, MachineDetectionDuration: String(detectionMs(answeredBy)) };
}
