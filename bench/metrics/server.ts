import { MetricsRollup } from '../../src/services/metrics-rollup.js';
import { startGateway, type GatewayOptions } from '../gateway.js';
import { seedHistory } from './seed.js';

/** What a dashboard asks for. */
export interface Question {
  hours: number;
  /** False: an admin who looks at every tenant. */
  oneTenant: boolean;
  taken: 'together' | 'by version' | 'by minute';
}

/** Columns that the answer is taken apart by. */
const COLUMNS: Record<Question['taken'], string> = {
  together: '',
  'by version': 'c.tenant_id, c.agent_key, c.agent_version_id',
  'by minute': `date_trunc('minute', c.created_at)`,
};

/** A gateway with a history of calls, all of them counted. */
export async function startMetricsServer({ calls, ...options }: GatewayOptions & { calls: number }) {
  const gateway = await startGateway(options);
  const { app, origin, tenant, adminKey } = gateway;
  const { context, metricsRollup } = app.services;
  const em = () => context.database.em({ all: true });
  // A roll-up that has counted before would look for calls that changed since; one that begins counts them all.
  await metricsRollup.stop();
  await em().transactional((transaction) => seedHistory(transaction, calls));
  const started = performance.now();
  await new MetricsRollup(context).sweep();
  const countedMs = performance.now() - started;
  return {
    facts: async () => ({ origin, adminKey, tenantId: tenant.tenantId, countedMs }),
    /** The same figures from the calls themselves; ms. */
    fromCalls: async ({ hours, oneTenant, taken }: Question): Promise<number> => {
      const asked = performance.now();
      const columns = COLUMNS[taken];
      await em().execute(
        `select ${columns === '' ? '' : `${columns}, `}count(*), count(c.answered_at), count(*) filter (where c.ended_at is not null),
                count(*) filter (where c.escalated), count(c.error_code), avg(c.duration_seconds), avg(c.evaluation_score),
                sum(s.interruption_count), percentile_cont(array[0.5, 0.95]) within group (order by c.time_to_first_audio_ms)
           from "call" c left join voice_session s on s.call_id = c.id
          where c.created_at >= now() - ? * interval '1 hour' and not c.synthetic ${oneTenant ? 'and c.tenant_id = ?' : ''}
          ${columns === '' ? '' : `group by ${columns}`}`,
        [hours, ...(oneTenant ? [tenant.tenantId] : [])],
      );
      return performance.now() - asked;
    },
    close: () => app.stop(0),
  };
}
