import type { EntityManager } from '@mikro-orm/postgresql';
import { DoNotCallEntry, type Call } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, invalid, notFound } from '../lib/errors.js';
import { isUuid, newId } from '../lib/ids.js';
import { normalizeE164, parseE164 } from '../lib/phone.js';
import { audit } from './audit-log.js';
import { customerNumber } from './call-setting.js';
import type { DoNotCallList } from './caller-wishes.js';
import { Checks } from './checks.js';
import type { ServiceContext } from './context.js';
import type { DialCheck } from './dial-plan.js';
import { listOffset, listPage, type OffsetRequest, type PageRequest, type Rows } from './listing.js';
import { existingTenant } from './tenants.js';
import { actorOf, emFor, requireAdmin, requireScope, type Viewer } from './viewer.js';
import { inTransaction, snapshot } from './writes.js';

/** Somebody who is about to be called. */
export interface CalledNumber {
  tenant: { id: string };
  /** E.164. */
  to: string;
  at: Date;
}

/** Which list: a tenant's own, or the installation's, which binds every tenant and is kept by admins. */
export interface ListChoice {
  /** Named by admins; a tenant key has its own. */
  tenantId?: string | null;
  global?: boolean | null;
}
export interface DoNotCallEntryInput {
  /** International form, with or without spaces and punctuation; kept as E.164. */
  number: string;
  reason?: string | null;
  /** Null: for good. */
  expiresAt?: Date | null;
}
export interface DoNotCallFilter extends ListChoice {
  number?: string | null;
  source?: string | null;
  /** True: those that bind now; false: the expired ones. */
  active?: boolean | null;
}
export interface DoNotCallImport {
  added: number;
  /** Numbers that were on the list before. */
  updated: number;
  /** Entries that could not be taken; the others were. `index` counts from 0. */
  rejected: { index: number; message: string }[];
}

export const MAX_IMPORTED_ENTRIES = 5_000;
const MAX_REASON_CHARACTERS = 500;
const SOURCES = ['api', 'agent', 'admin'] as const;
type Source = (typeof SOURCES)[number];

interface CheckedEntry {
  number: string;
  reason: string | null;
  expiresAt: Date | null;
}

/** Numbers that must not be called, checked in the transaction that writes the call row. */
export class DoNotCall implements DialCheck, DoNotCallList {
  constructor(private readonly context: ServiceContext) {}

  /**
   * Throws DO_NOT_CALL. Takes both lists' locks for the rest of the transaction, shared with other dials: whoever adds a
   * number waits until the dials that did not see it are written, and no later one can miss it.
   */
  async check(em: EntityManager, { tenant, to, at }: CalledNumber): Promise<void> {
    await em.execute(
      'select pg_advisory_xact_lock_shared(hashtextextended(?, 7204)), pg_advisory_xact_lock_shared(hashtextextended(?, 7204))',
      [lockOf(null), lockOf(tenant.id)],
    );
    // A statement of its own: it must see what was committed while the locks were waited for.
    const [found] = await em.execute<{ tenant_id: string | null }[]>(
      `select tenant_id from do_not_call_entry
       where number = ? and (tenant_id = ? or tenant_id is null) and (expires_at is null or expires_at > ?) limit 1`,
      [to, tenant.id, at],
    );
    if (found !== undefined)
      throw new AppError('DO_NOT_CALL', 'This number must not be called', {
        extra: { list: found.tenant_id === null ? 'global' : 'tenant' },
      });
  }

  /**
   * Puts a number on the list. One that is there already stays at least as long as it was to: taking back is
   * {@link remove}. Throws VALIDATION_FAILED, FORBIDDEN, NOT_FOUND.
   */
  async add(viewer: Viewer, list: ListChoice, input: DoNotCallEntryInput): Promise<DoNotCallEntry> {
    const tenantId = await this.ownerOf(viewer, list);
    const checks = new Checks();
    const entry = this.checked(checks, '', input);
    checks.done();
    return inTransaction(this.context, viewer, async (em) => {
      await this.put(em, tenantId, [entry], viewer.kind === 'tenant' ? 'api' : 'admin', actorOf(viewer));
      const row = await em.findOneOrFail(DoNotCallEntry, { tenantId, number: entry.number });
      audit(em, viewer, {
        tenantId,
        action: 'do_not_call.added',
        subjectType: 'do_not_call_entry',
        subjectId: row.id,
        after: snapshot(row),
      });
      return row;
    });
  }

  /** Many at once: what is wrong with one entry stops no other. Throws VALIDATION_FAILED when there are too many. */
  async import(viewer: Viewer, list: ListChoice, entries: readonly DoNotCallEntryInput[]): Promise<DoNotCallImport> {
    const tenantId = await this.ownerOf(viewer, list);
    if (entries.length > MAX_IMPORTED_ENTRIES)
      throw invalid({ path: 'entries', message: `must hold at most ${MAX_IMPORTED_ENTRIES} entries` });
    const rejected: DoNotCallImport['rejected'] = [];
    const taken = new Map<string, CheckedEntry>();
    entries.forEach((input, index) => {
      const checks = new Checks();
      const entry = this.checked(checks, '', input);
      try {
        checks.done();
        const twin = taken.get(entry.number);
        taken.set(entry.number, twin === undefined ? entry : { ...twin, expiresAt: later(twin, entry) });
      } catch (error) {
        rejected.push({ index, message: (error as AppError).message });
      }
    });
    const { added, updated } = await inTransaction(this.context, viewer, async (em) => {
      const source = viewer.kind === 'tenant' ? 'api' : 'admin';
      const counts = await this.put(em, tenantId, [...taken.values()], source, actorOf(viewer));
      audit(em, viewer, {
        tenantId,
        action: 'do_not_call.imported',
        subjectType: 'do_not_call_entry',
        subjectId: tenantId ?? 'global',
        after: { ...counts, rejected: rejected.length },
      });
      return counts;
    });
    return { added, updated, rejected };
  }

  /** Takes a number off one list, by id or by number. Throws NOT_FOUND. */
  async remove(
    viewer: Viewer,
    list: ListChoice,
    { id, number }: { id?: string | null; number?: string | null },
  ): Promise<DoNotCallEntry> {
    requireScope(viewer, 'operations:write');
    if ((id == null) === (number == null))
      throw invalid({ path: 'number', message: 'give either the number or the id' });
    const known = number == null ? null : normalizeE164(number);
    if (id != null ? !isUuid(id) : known === null) throw notFound('do-not-call entry');
    const which = id != null ? { id } : { number: known!, tenantId: await this.ownerOf(viewer, list) };
    return inTransaction(this.context, viewer, async (em) => {
      const row = await em.findOne(DoNotCallEntry, which);
      if (row === null) throw notFound('do-not-call entry');
      const before = snapshot(row);
      await em.remove(row).flush();
      audit(em, viewer, {
        tenantId: row.tenantId ?? null,
        action: 'do_not_call.removed',
        subjectType: 'do_not_call_entry',
        subjectId: row.id,
        before,
      });
      return row;
    });
  }

  page(viewer: Viewer, filter: DoNotCallFilter, request: PageRequest): Promise<Page<DoNotCallEntry>> {
    requireScope(viewer, 'operations:read');
    return listPage(emFor(this.context.database, viewer, filter.tenantId), DoNotCallEntry, this.where(filter), request);
  }
  list(viewer: Viewer, filter: DoNotCallFilter, request: OffsetRequest): Promise<Rows<DoNotCallEntry>> {
    requireScope(viewer, 'operations:read');
    return listOffset(
      emFor(this.context.database, viewer, filter.tenantId),
      DoNotCallEntry,
      this.where(filter),
      request,
    );
  }

  async addCustomer(call: Call, reason: string): Promise<void> {
    const number = parseE164(customerNumber(call) ?? '');
    // Who called anonymously cannot be called; there is nobody behind a synthetic call.
    if (number === null || call.synthetic) return;
    const entry = { number, reason: reason.slice(0, MAX_REASON_CHARACTERS), expiresAt: null };
    await this.context.database
      .em({ tenantId: call.tenantId })
      .transactional((em) => this.put(em, call.tenantId, [entry], 'agent', `call:${call.id}`));
  }

  /** Null: the global list. Throws FORBIDDEN, NOT_FOUND, VALIDATION_FAILED. */
  private async ownerOf(viewer: Viewer, { tenantId, global }: ListChoice): Promise<string | null> {
    requireScope(viewer, 'operations:write');
    if (global !== true) return (await existingTenant(this.context, viewer, tenantId)).id;
    requireAdmin(viewer);
    if (tenantId != null) throw invalid({ path: 'tenantId', message: 'the global list belongs to no tenant' });
    return null;
  }

  private checked(checks: Checks, at: string, input: DoNotCallEntryInput): CheckedEntry {
    const number = typeof input.number === 'string' ? normalizeE164(input.number) : null;
    if (number === null) checks.fail(`${at}number`, 'must be an international phone number, like +15550100000');
    return {
      number: number ?? '',
      reason: checks.optionalText(`${at}reason`, input.reason, { max: MAX_REASON_CHARACTERS }),
      expiresAt: checks.futureTime(`${at}expiresAt`, input.expiresAt, this.context.clock.now()),
    };
  }

  /**
   * Adds or prolongs, in the caller's transaction and under the list's lock: dials of its owner (of everybody, for the
   * global list) wait these milliseconds. The lock also keeps a number from being twice on the global list, where the
   * unique index does not see that two nulls are the same owner. A caller's own wish is remembered as such.
   */
  private async put(
    em: EntityManager,
    tenantId: string | null,
    entries: readonly CheckedEntry[],
    source: Source,
    by: string,
  ): Promise<{ added: number; updated: number }> {
    await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 7204))', [lockOf(tenantId)]);
    const now = this.context.clock.now();
    const given = entries.map(({ number, reason, expiresAt }) => ({
      id: newId(),
      number,
      reason,
      expires_at: expiresAt,
    }));
    const [counts] = await em.execute<{ added: string; updated: string }[]>(
      `with given as (
         select * from jsonb_to_recordset(?::jsonb) as g(id uuid, number text, reason text, expires_at timestamptz)
       ), prolonged as (
         update do_not_call_entry e set
           reason = coalesce(g.reason, e.reason),
           source = case when ? = 'agent' then 'agent' else e.source end,
           expires_at = case when e.expires_at is null or g.expires_at is null then null
             else greatest(e.expires_at, g.expires_at) end,
           updated_at = ?
         from given g where e.number = g.number and e.tenant_id is not distinct from ?::text
         returning e.number
       ), inserted as (
         insert into do_not_call_entry
           (id, tenant_id, number, reason, source, expires_at, created_by, created_at, updated_at)
         select g.id, ?::text, g.number, g.reason, ?, g.expires_at, ?, ?, ? from given g
         where g.number not in (select number from prolonged) returning id
       )
       select (select count(*) from inserted) as added, (select count(*) from prolonged) as updated`,
      [JSON.stringify(given), source, now, tenantId, tenantId, source, by, now, now],
    );
    return { added: Number(counts!.added), updated: Number(counts!.updated) };
  }

  private where({ tenantId, global, number, source, active }: DoNotCallFilter) {
    const now = this.context.clock.now();
    const known = number == null ? null : normalizeE164(number);
    return {
      ...(global === true ? { tenantId: null } : tenantId == null ? {} : { tenantId }),
      ...(number == null ? {} : known === null ? { id: { $in: [] } } : { number: known }),
      ...(source == null ? {} : { source }),
      ...(active == null
        ? {}
        : active
          ? { $or: [{ expiresAt: null }, { expiresAt: { $gt: now } }] }
          : { expiresAt: { $lte: now } }),
    };
  }
}

const lockOf = (tenantId: string | null): string => (tenantId === null ? 'do-not-call' : `do-not-call:${tenantId}`);

function later(a: CheckedEntry, b: CheckedEntry): Date | null {
  if (a.expiresAt === null || b.expiresAt === null) return null;
  return a.expiresAt > b.expiresAt ? a.expiresAt : b.expiresAt;
}
