import type { EntityManager } from '@mikro-orm/postgresql';
import { Agent, type EvaluationSource } from '../entities/index.js';
import { notFound } from '../lib/errors.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import { emFor, requireScope, type Viewer } from './viewer.js';

/** How the real calls of one version were judged; test calls count nowhere. Scores 0-1. */
export interface EvaluationSummary {
  agentVersionId: string;
  versionNumber: number;
  evaluations: number;
  sessions: number;
  meanScore: number;
  bySource: { source: EvaluationSource; evaluations: number; meanScore: number }[];
  /** As they were named when they were judged. */
  byCriterion: { key: string; source: EvaluationSource; evaluations: number; meanScore: number }[];
}

/** How far two judges agree, over sessions that both judged. */
export interface Agreement {
  sessions: number;
  /** Share of sessions in which they agree; null without sessions. */
  agreement: number | null;
  /** Model minus people: above 0 the model is kinder. */
  meanDifference: number | null;
  meanAbsoluteDifference: number | null;
  /** Pearson's, -1 to 1; null where one side always gives the same score. */
  correlation: number | null;
}

/** How far the model judges as people do. */
export interface Calibration extends Agreement {
  /** How far apart two scores may lie and still agree. */
  tolerance: number;
  /** The same for each criterion that both judged, by name, whatever revision of the rubric it was in. */
  byCriterion: (Agreement & { key: string })[];
}

export interface StatsRequest {
  /** Evaluations made at or after it. */
  since?: Date | null;
}
export interface CalibrationRequest extends StatsRequest {
  agentVersionId?: string | null;
  /** 0-1; missing: 0.2. */
  tolerance?: number | null;
}

const DEFAULT_TOLERANCE = 0.2;

/** What all evaluations of an agent come to. */
export class EvaluationStats {
  constructor(private readonly ctx: ServiceContext) {}

  /** One entry for each version that was judged, newest first. Throws NOT_FOUND. */
  async summaries(viewer: Viewer, agentId: string, { since }: StatsRequest = {}): Promise<EvaluationSummary[]> {
    const em = await this.open(viewer, agentId);
    const sums = (columns: string, more = '', group = '') =>
      em.execute<Record<string, string>[]>(
        `select v.id, v.number, ${columns} from evaluation e join agent_version v on v.id = e.agent_version_id
           join voice_session s on s.id = e.session_id join "call" c on c.id = s.call_id ${more}
          where v.agent_id = ? and not c.synthetic and e.created_at >= ? group by v.id, v.number ${group}`,
        [agentId, since ?? new Date(0)],
      );
    const totals = await sums('count(*) as n, count(distinct e.session_id) as sessions, avg(e.score) as mean');
    const sources = await sums('e.source, count(*) as n, avg(e.score) as mean', '', ', e.source');
    const criteria = await sums(
      `j.value ->> 'key' as key, e.source, count(*) as n, avg((j.value ->> 'score')::float8) as mean`,
      `cross join lateral jsonb_array_elements(e.criteria) j`,
      `, e.source, j.value ->> 'key'`,
    );
    const part = (row: Record<string, string>) => ({
      source: row.source as EvaluationSource,
      evaluations: Number(row.n),
      meanScore: rounded(row.mean)!,
    });
    return totals
      .toSorted((a, b) => Number(b.number) - Number(a.number))
      .map((row) => ({
        agentVersionId: row.id!,
        versionNumber: Number(row.number),
        evaluations: Number(row.n),
        sessions: Number(row.sessions),
        meanScore: rounded(row.mean)!,
        bySource: sources.filter(({ id }) => id === row.id).map(part),
        byCriterion: criteria
          .filter(({ id }) => id === row.id)
          .map((each) => ({ key: each.key!, ...part(each) }))
          .toSorted((a, b) => a.key.localeCompare(b.key)),
      }));
  }

  /** Throws NOT_FOUND, VALIDATION_FAILED. */
  async calibration(viewer: Viewer, agentId: string, request: CalibrationRequest = {}): Promise<Calibration> {
    const checks = new Checks();
    const tolerance = checks.optionalNumber('tolerance', request.tolerance, 0, 1) ?? DEFAULT_TOLERANCE;
    const em = await this.open(viewer, agentId);
    checks.done();
    const agentVersionId = request.agentVersionId == null ? null : knownId('agent version', request.agentVersionId);
    const scope = { agentId, agentVersionId, since: request.since ?? new Date(0), tolerance };
    const [whole] = await agreements(em, scope, { score: 'e.score', key: `''`, join: '' });
    const byCriterion = await agreements(em, scope, {
      score: `(j.value ->> 'score')::float8`,
      key: `j.value ->> 'key'`,
      join: 'cross join lateral jsonb_array_elements(e.criteria) j',
    });
    const { key: _, ...all } = whole ?? NO_AGREEMENT;
    return { ...all, tolerance, byCriterion };
  }

  private async open(viewer: Viewer, agentId: string): Promise<EntityManager> {
    requireScope(viewer, 'evaluations:read');
    const em = emFor(this.ctx.database, viewer);
    if ((await em.count(Agent, { id: knownId('agent', agentId) })) === 0) throw notFound('agent');
    return em;
  }
}

type KeyedAgreement = Agreement & { key: string };
const NO_AGREEMENT: KeyedAgreement = {
  key: '',
  sessions: 0,
  agreement: null,
  meanDifference: null,
  meanAbsoluteDifference: null,
  correlation: null,
};

/** What is compared of each evaluation `e`, in SQL: `score` by `key`, which `join` brings. One entry for each key. */
async function agreements(
  em: EntityManager,
  scope: { agentId: string; agentVersionId: string | null; since: Date; tolerance: number },
  { score, key, join }: { score: string; key: string; join: string },
): Promise<KeyedAgreement[]> {
  const { agentId, agentVersionId: version, since, tolerance } = scope;
  const rows = await em.execute<Record<string, string | null>[]>(
    `with pairs as (
       select ${key} as key, avg(${score}) filter (where e.source = 'MODEL') as model,
              avg(${score}) filter (where e.source in ('HUMAN', 'API')) as people
         from evaluation e join agent_version v on v.id = e.agent_version_id
         join voice_session s on s.id = e.session_id join "call" c on c.id = s.call_id ${join}
        where v.agent_id = ? and not c.synthetic and e.created_at >= ? ${version === null ? '' : 'and v.id = ?'}
        group by e.session_id, 1)
     select key, count(*) as sessions, avg((abs(model - people) <= ?::float8 + 1e-9)::int) as agreement,
            avg(model - people) as bias, avg(abs(model - people)) as error, corr(model, people) as correlation
       from pairs where model is not null and people is not null group by key order by key`,
    [agentId, since, ...(version === null ? [] : [version]), tolerance],
  );
  return rows.map((row) => ({
    key: row.key ?? '',
    sessions: Number(row.sessions),
    agreement: rounded(row.agreement),
    meanDifference: rounded(row.bias),
    meanAbsoluteDifference: rounded(row.error),
    correlation: rounded(row.correlation),
  }));
}

const rounded = (value: string | null | undefined): number | null =>
  value == null || Number.isNaN(Number(value)) ? null : Math.round(Number(value) * 1e6) / 1e6;
