import type { EntityManager } from '@mikro-orm/postgresql';
import type { DiagnosticSeverity } from '../entities/index.js';
import { newId } from '../lib/ids.js';
import { storable } from '../lib/json.js';
import type { ServiceContext } from './context.js';
import type { Announce } from './session-end.js';

/** Something an operator should know, and what to do about it. Holds no phone number and no secret. */
export interface DiagnosticReport {
  /** Null: it concerns the installation. */
  tenantId: string | null;
  /** `unknown_number`, `stream_error` … */
  code: string;
  severity: DiagnosticSeverity;
  message: string;
  action?: string | null;
  detail?: Record<string, unknown> | null;
  /** The same key counts up instead of repeating itself; made of tenant and code when it is not given. */
  dedupeKey?: string;
}

export interface DiagnosticSink {
  /** Never fails and never throws: a diagnostic must not break what it reports about. */
  raise(report: DiagnosticReport): Promise<void>;
  /** Part of the change that it is about: there is not one without the other. Tell the bus after the commit. */
  raiseWithin(em: EntityManager, report: DiagnosticReport): Promise<Announce>;
}

/** Writes diagnostics to the table that operators and the `diagnosticRaised` feed read. */
export class Diagnostics implements DiagnosticSink {
  constructor(private readonly context: ServiceContext) {}

  async raise(report: DiagnosticReport): Promise<void> {
    const { database, log } = this.context;
    try {
      const announce = await this.raiseWithin(database.em({ all: true }), report);
      await announce();
    } catch (error) {
      log.error({ err: error, tenantId: report.tenantId, code: report.code }, 'diagnostic could not be stored');
    }
  }

  async raiseWithin(em: EntityManager, report: DiagnosticReport): Promise<Announce> {
    const { topics, log, clock } = this.context;
    const { tenantId, code, severity } = report;
    log.warn({ tenantId, code, severity }, 'diagnostic raised');
    const now = clock.now();
    const [row] = await em.execute<{ id: string }[]>(
      `insert into diagnostic
         (id, tenant_id, code, severity, message, action, detail, dedupe_key, count, first_seen_at, last_seen_at, created_at, updated_at)
       values (?, ?, ?, ?, ?, ?, ?::jsonb, ?, 1, ?, ?, ?, ?)
       on conflict (dedupe_key) do update set
         count = diagnostic.count + 1, severity = excluded.severity, message = excluded.message, action = excluded.action,
         detail = excluded.detail, last_seen_at = excluded.last_seen_at, resolved_at = null, updated_at = excluded.updated_at
       returning id`,
      [
        newId(),
        tenantId,
        code,
        severity,
        report.message,
        report.action ?? null,
        storable(report.detail ?? null),
        (report.dedupeKey ?? `${code}:${tenantId ?? ''}`).slice(0, 200),
        now,
        now,
        now,
        now,
      ],
    );
    return () =>
      topics
        .publish('diagnosticRaised', { tenantId, diagnosticId: row!.id })
        .catch((error: unknown) => log.warn({ err: error, tenantId, code }, 'bus publish failed'));
  }

  /** What was reported under `dedupeKey` is over. Never fails, as {@link raise}. */
  async settle(dedupeKey: string): Promise<void> {
    const { database, topics, log, clock } = this.context;
    try {
      const now = clock.now();
      const settled = await database
        .em({ all: true })
        .execute<{ id: string; tenant_id: string | null }[]>(
          'update diagnostic set resolved_at = ?, updated_at = ? where dedupe_key = ? and resolved_at is null returning id, tenant_id',
          [now, now, dedupeKey],
        );
      for (const { id, tenant_id } of settled)
        await topics.publish('diagnosticRaised', { tenantId: tenant_id, diagnosticId: id });
    } catch (error) {
      log.error({ err: error }, 'diagnostic could not be settled');
    }
  }
}
