import { Durations, figure, table, type Percentiles } from '../figures.js';
import type { Place } from '../places.js';
import type { Question } from './server.js';

export interface MetricsOptions {
  place: Place;
  /** A folder of this run. */
  dir: string;
  template: string;
  /** A server that a database can be made on; missing: the embedded one. */
  databaseUrl?: string;
  /** Stored calls. */
  stored: number;
  rounds: number;
}

/** Times in ms. */
export interface MetricsRow {
  question: Question;
  gateway: Percentiles;
  fromCalls: Percentiles;
}
export interface MetricsFigures {
  stored: number;
  /** What counting every call anew took, ms. */
  countedMs: number;
  rows: MetricsRow[];
}

/** Times that each question is asked in a round. */
const REPEATS = 20;
const FIGURES = `callsCreated callsAnswered answerRate completionRate transferRate escalationRate errorRate
  errors { cause count } averageHandleSeconds timeToFirstAudioP50Ms timeToFirstAudioP95Ms interruptions meanScore`;
const TAKEN: Record<Question['taken'], string> = {
  together: '',
  'by version': `groups(by: VERSION) { tenantId agentKey agentVersionId ${FIGURES} }`,
  'by minute': `minutes { at failedWebhooks ${FIGURES} }`,
};
const QUESTIONS: Question[] = [1, 24].flatMap((hours) =>
  [true, false].flatMap((oneTenant) =>
    (['together', 'by version', 'by minute'] as const).map((taken) => ({ hours, oneTenant, taken })),
  ),
);

/** Asks `operationsMetrics` through the HTTP door, and adds up the calls themselves beside it. */
export async function benchMetrics({ place, rounds, stored, ...options }: MetricsOptions): Promise<MetricsFigures> {
  const server = await place.start('server', 'metrics/server', { ...options, calls: stored });
  const { origin, adminKey, tenantId, countedMs } = await server.ask('facts');
  const ask = async ({ hours, oneTenant, taken }: Question): Promise<number> => {
    const body = JSON.stringify({
      query: `query ($tenantId: ID, $minutes: Int) { operationsMetrics(tenantId: $tenantId, windowMinutes: $minutes) {
        concurrentCalls failedWebhooks ${FIGURES} ${TAKEN[taken]} } }`,
      variables: { tenantId: oneTenant ? tenantId : null, minutes: hours * 60 },
    });
    const asked = performance.now();
    const answer = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-admin-key': adminKey },
      body,
    });
    const text = await answer.text();
    const ms = performance.now() - asked;
    if (!text.startsWith('{"data":{"operationsMetrics":{')) throw new Error(`metrics answered ${text.slice(0, 500)}`);
    return ms;
  };
  const rows: MetricsRow[] = [];
  for (const question of QUESTIONS) {
    const [gateway, fromCalls] = [new Durations(), new Durations()];
    for (let i = 0; i < REPEATS * rounds; i++) gateway.add(await ask(question));
    for (let i = 0; i < rounds; i++) fromCalls.add(await server.ask('fromCalls', question));
    rows.push({ question, gateway: gateway.percentiles(), fromCalls: fromCalls.percentiles() });
  }
  await server.stop();
  return { stored, countedMs, rows };
}

export function metricsTable({ stored, countedMs, rows }: MetricsFigures): string {
  const head = `${stored.toLocaleString('en')} calls, counted in ${figure(countedMs / 1_000)} s; times in ms\n\n`;
  return (
    head +
    table(
      ['operationsMetrics', 'p50', 'p99', 'from the calls, p50', 'ratio'],
      rows.map(({ question: { hours, oneTenant, taken }, gateway, fromCalls }) => [
        `${hours === 1 ? 'last hour' : 'last day'}, ${oneTenant ? 'one tenant' : 'all tenants'}, ${taken}`,
        figure(gateway.p50),
        figure(gateway.p99),
        figure(fromCalls.p50),
        figure(fromCalls.p50 / gateway.p50),
      ]),
    )
  );
}
