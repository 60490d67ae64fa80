import type { EntityManager } from '@mikro-orm/postgresql';

export const TENANTS = 20;
const VERSIONS_PER_TENANT = 6;
const DAYS = 30;

/**
 * Spreads `calls` calls over thirty days, twenty tenants and six versions each, half of them with a session, and as many
 * deliveries, of which one in a thousand failed. The tenant of the demo is the first; the others are made like it.
 */
export async function seedHistory(em: EntityManager, calls: number): Promise<void> {
  for (const statement of STATEMENTS) await em.execute(statement, statement.includes('?') ? [calls] : []);
}

/** `table`'s only row again with other values, for each row of `from`. */
const copies = (table: string, values: string, from: string): string =>
  `insert into ${table} select (jsonb_populate_record(old, jsonb_build_object(${values}))).* from ${table} old, ${from}`;

const calls = 'generate_series(1, ?::int) as i';
/** The newest call is of now, the oldest of thirty days ago. */
const share = 'i::float8 / (select count(*) from seeded)';
const STATEMENTS = [
  copies('tenant', `'id', 't' || t`, `generate_series(2, ${TENANTS}) as t`),
  copies('agent', `'id', gen_random_uuid(), 'tenant_id', t.id`, `tenant t where t.id <> old.tenant_id`),
  copies(
    'agent_version',
    `'id', gen_random_uuid(), 'tenant_id', a.tenant_id, 'agent_id', a.id, 'number', n`,
    `agent a, generate_series(1, ${VERSIONS_PER_TENANT}) as n where a.id <> old.agent_id or n > 1`,
  ),
  `create temporary table part as
     select tenant_id, agent_id, id as version_id, row_number() over (order by number, tenant_id) - 1 as n from agent_version`,
  `create temporary table seeded as
     select gen_random_uuid() as id, i, part.*, i % 100 as kind from ${calls}
       join part on part.n = (i::bigint * 7919) % (select count(*) from part)`,
  `insert into "call" (id, tenant_id, direction, status, from_number, to_number, agent_id, agent_key, agent_version_id,
       escalated, outcome, duration_seconds, error_code, answered_at, ended_at, time_to_first_audio_ms, evaluation_score,
       completed_event_sent, created_at, updated_at)
     select id, tenant_id, 'INBOUND', case when kind < 3 then 'FAILED' when kind < 10 then 'NO_ANSWER' else 'COMPLETED' end,
            '+1555' || lpad((i % 10000000)::text, 7, '0'), '+15550000001', agent_id, 'front_desk', version_id, kind > 94,
            case when kind > 96 then 'transferred' end, case when kind >= 10 then 30 + i % 300 end,
            case when kind < 3 then (array['model_lost', 'carrier_error', '31205'])[kind + 1] end,
            case when kind >= 10 then at end, at + interval '2 minutes',
            case when kind >= 10 then 300 + (i * 31) % 1500 end, case when kind > 50 then (i % 11) / 10.0 end, true, at, at
       from (select *, now() - interval '${DAYS} days' * (1 - ${share}) as at from seeded) made`,
  `insert into voice_session (id, tenant_id, call_id, status, end_reason, model, resume_times, tags, interruption_count,
       started_at, created_at, updated_at)
     select gen_random_uuid(), tenant_id, id, 'COMPLETED', 'CALLER_HUNG_UP', 'gpt-realtime', '[]', '[]', i % 3, now(), now(), now()
       from seeded where i % 2 = 0`,
  `insert into webhook_endpoint (id, tenant_id, url, events, secret_sealed, created_at, updated_at)
     select gen_random_uuid(), id, 'http://127.0.0.1:9/', '[]', '', now(), now() from tenant`,
  `insert into tenant_event (id, tenant_id, event, payload, created_at)
     select 'evt_' || id, tenant_id, 'voice.call.completed', '{}', now() from seeded`,
  `insert into webhook_delivery (id, tenant_id, event_id, endpoint_id, event, status, attempts, created_at, updated_at)
     select gen_random_uuid(), s.tenant_id, 'evt_' || s.id, e.id, 'voice.call.completed',
            case when i % 1000 = 0 then 'DEAD_LETTER' else 'DELIVERED' end, '[]', at, at
       from (select *, now() - interval '${DAYS} days' * (1 - ${share}) as at from seeded) s
       join webhook_endpoint e on e.tenant_id = s.tenant_id`,
  'analyze',
];
