import { useEffect } from 'react';
import { useQuery, useSubscription } from 'urql';
import { useConsole } from '../context.js';
import { percent, words } from '../format.js';
import { FiguresDocument, ProvidersDocument, type ProvidersQuery } from '../generated/graphql.js';
import type { ChipTone } from './parts.js';

const HEALTH_EVERY_MS = 10_000;

/** The last hour in figures, and whether carrier and models answer. */
export function StatusStrip() {
  const { tenantId } = useConsole();
  const [{ data }] = useSubscription({ query: FiguresDocument, variables: { tenantId } });
  const figures = data?.operationsMetrics;
  return (
    <section className="strip" aria-label="The last hour">
      <Figure name="calls now" value={figures?.concurrentCalls} />
      <Figure name="calls, last hour" value={figures?.callsCreated} />
      <Figure name="answered" value={figures && percent(figures.answerRate)} />
      <Figure name="escalated" value={figures && percent(figures.escalationRate)} />
      <Figure name="errors" value={figures && percent(figures.errorRate)} bad={(figures?.errorRate ?? 0) > 0.05} />
      <Figure name="first audio p95" value={figures && seconds(figures.timeToFirstAudioP95Ms)} />
      <Figure name="score" value={figures && (figures.meanScore?.toFixed(2) ?? '–')} />
      <Figure name="failed webhooks" value={figures?.failedWebhooks} bad={(figures?.failedWebhooks ?? 0) > 0} />
      <Providers />
    </section>
  );
}

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1_000).toFixed(1)} s`);

function Figure({ name, value, bad = false }: { name: string; value: string | number | undefined; bad?: boolean }) {
  return (
    <div className={bad ? 'figure bad' : 'figure'}>
      <b>{value ?? '…'}</b>
      <span>{name}</span>
    </div>
  );
}

type Provider = ProvidersQuery['providerHealth'][number];
const TONES: Record<Provider['status'], ChipTone> = {
  UP: 'good',
  DEGRADED: 'warn',
  DOWN: 'bad',
  UNKNOWN: 'plain',
  NOT_CONFIGURED: 'plain',
};

function Providers() {
  const [{ data }, ask] = useQuery({ query: ProvidersDocument });
  useEffect(() => {
    const timer = setInterval(() => ask({ requestPolicy: 'network-only' }), HEALTH_EVERY_MS);
    return () => clearInterval(timer);
  }, [ask]);
  return (
    <ul className="providers" aria-label="Providers">
      {data?.providerHealth.map((one) => (
        <li key={one.component} title={describe(one)}>
          <i className={`dot ${TONES[one.status]}`} />
          {words(one.component)}
          {one.status !== 'UP' && <em> {words(one.status)}</em>}
        </li>
      ))}
    </ul>
  );
}

function describe({ provider, circuit, errorRate, latencyP95Ms, lastError }: Provider): string {
  const parts = [
    words(provider),
    circuit === 'CLOSED' ? null : `circuit ${words(circuit)}: calls get the fallback`,
    errorRate === null ? null : `${percent(errorRate)} errors`,
    latencyP95Ms === null ? null : `p95 ${latencyP95Ms} ms`,
    lastError === null ? null : `last error ${lastError}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
