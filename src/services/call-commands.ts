import type { EntityManager } from '@mikro-orm/postgresql';
import { CallCommand, SessionEvent } from '../entities/index.js';
import { Bell } from '../lib/bell.js';
import { AppError, ERROR_CATALOGUE, type ErrorCode, type FieldIssue } from '../lib/errors.js';
import type { Unsubscribe } from '../ports/bus.js';
import { acknowledgementId, type CommandAction, type LiveCalls } from '../ports/live-calls.js';
import type { StoredSessionEvent } from '../ports/session-events.js';
import type { ServiceContext } from './context.js';

/** What is asked of the process that owns a call. */
export interface CommandOrder {
  /** Whoever repeats it acts once. */
  id: string;
  tenantId: string;
  sessionId: string;
  action: CommandAction;
  text: string | null;
  target: string | null;
  /** Who asks, as the log shows it. */
  by: string;
}

/** Between two looks while the acknowledgement is awaited: a lost bus message costs this much. */
const LOOK_AGAIN_MS = 400;

/**
 * Commands on their way to the process that owns a call. The row decides: it is taken once, and only before it expires,
 * by the database's clock, since those of two processes may differ. The bus says where to look. Carried out means that it
 * stands in the session's log.
 */
export class CallCommands {
  private live: LiveCalls | null = null;
  private unsubscribe: Unsubscribe = () => {};

  constructor(private readonly context: ServiceContext) {}

  /** Carries out the commands for the calls of this process. */
  async serve(live: LiveCalls): Promise<void> {
    this.live = live;
    this.unsubscribe = await this.context.topics.subscribe('callCommand', null, (message) => this.receive(message));
  }

  stop(): void {
    this.unsubscribe();
    this.live = null;
  }

  /**
   * Sends an order and waits for its entry in the log. `record` runs in the transaction that writes the order down, and
   * not again when the order is repeated. Throws what the owner answered, COMMAND_NOT_ACKNOWLEDGED when it does not, or
   * IDEMPOTENCY_CONFLICT when the id belongs to another order.
   */
  async send(
    order: CommandOrder,
    record: (em: EntityManager) => void | Promise<void> = () => {},
  ): Promise<StoredSessionEvent> {
    const em = this.context.database.em({ tenantId: order.tenantId });
    await em.transactional(async (tem) => {
      if (await this.insert(tem, order)) return record(tem);
      const known = await tem.findOne(CallCommand, { id: order.id });
      if (known === null || !sameOrder(known, order))
        throw new AppError('IDEMPOTENCY_CONFLICT', 'This command id was used for another command');
      await this.renew(tem, order.id);
    });
    return this.acknowledged(order);
  }

  /** True when an order of this id was given before, whatever became of it. */
  async known(tenantId: string, id: string): Promise<boolean> {
    return (await this.context.database.em({ tenantId }).count(CallCommand, { id })) > 0;
  }

  private async insert(em: EntityManager, order: CommandOrder): Promise<boolean> {
    const rows = await em.execute<unknown[]>(
      `insert into call_command (id, tenant_id, session_id, action, text, target, "by", state, expires_at, created_at, updated_at)
       values (?, ?, ?, ?, ?, ?, ?, 'PENDING', ${IN_SECONDS}, now(), now()) on conflict (id) do nothing returning id`,
      [order.id, order.tenantId, order.sessionId, order.action, order.text, order.target, order.by, this.ackSeconds],
    );
    return rows.length > 0;
  }

  /** An order that nobody has taken gets its time once more. */
  private async renew(em: EntityManager, id: string): Promise<void> {
    await em.execute(
      `update call_command set state = 'PENDING', expires_at = ${IN_SECONDS}, updated_at = now()
        where id = ? and state in ('PENDING', 'EXPIRED')`,
      [this.ackSeconds, id],
    );
  }

  private async acknowledged(order: CommandOrder): Promise<StoredSessionEvent> {
    const { topics, clock, settings } = this.context;
    const deadline = clock.monotonicMs() + settings.timing.commandAckMs;
    const bell = new Bell();
    const offs = await Promise.all([
      topics.subscribe('sessionAppended', order.sessionId, () => bell.ring()),
      topics.subscribe('callCommandFailed', order.id, () => bell.ring()),
    ]);
    try {
      for (;;) {
        const event = await this.outcome(order);
        if (event !== null) return event;
        const left = deadline - clock.monotonicMs();
        if (left <= 0) break;
        this.announce(order);
        await bell.heard(Math.min(left, LOOK_AGAIN_MS));
        bell.hush();
      }
    } finally {
      for (const off of offs) off();
    }
    return this.giveUp(order);
  }

  /** The entry in the log; null: nothing yet. Throws what the owner answered. */
  private async outcome({ id, tenantId, sessionId }: CommandOrder): Promise<StoredSessionEvent | null> {
    const em = this.context.database.em({ tenantId });
    const event = await em.findOne(SessionEvent, { sessionId, eventId: acknowledgementId(id) });
    if (event !== null) return event as unknown as StoredSessionEvent;
    const row = await em.findOne(CallCommand, { id });
    if (row?.state === 'FAILED') throw readError(row.error);
    return null;
  }

  private announce({ id: commandId, sessionId }: CommandOrder): void {
    const { topics, log } = this.context;
    const message = { sessionId, commandId };
    // A call of this process needs no bus.
    if (this.live?.get(sessionId)) this.receive(message);
    else
      topics.publish('callCommand', message).catch((error: unknown) => {
        log.warn({ err: error, sessionId, commandId }, 'bus publish failed');
      });
  }

  private async giveUp(order: CommandOrder): Promise<StoredSessionEvent> {
    const { id, tenantId } = order;
    const em = this.context.database.em({ tenantId });
    const withdrawn = await em.execute<unknown[]>(
      `update call_command set state = 'EXPIRED', updated_at = now() where id = ? and state = 'PENDING' returning id`,
      [id],
    );
    if (withdrawn.length === 0) {
      // Taken at the last moment: it may have been written down since we looked.
      const event = await this.outcome(order);
      if (event !== null) return event;
    }
    throw new AppError(
      'COMMAND_NOT_ACKNOWLEDGED',
      withdrawn.length > 0
        ? 'No process took the command in time, and none will; send it again'
        : 'The command was taken and is not finished yet; send it again with the same command id to learn its outcome',
      { extra: { command_id: id }, retryAfterSeconds: 1 },
    );
  }

  private receive({ sessionId, commandId }: { sessionId: string; commandId: string }): void {
    this.carryOut(sessionId, commandId).catch((error: unknown) =>
      this.context.log.error({ err: error, sessionId, commandId }, 'a command could not be handled'),
    );
  }

  private async carryOut(sessionId: string, commandId: string): Promise<void> {
    const call = this.live?.get(sessionId) ?? null;
    if (call === null) return;
    const { database, topics, log } = this.context;
    const em = database.em({ tenantId: call.tenantId });
    const [taken] = await em.execute<Taken[]>(
      `update call_command set state = 'DONE', updated_at = now()
        where id = ? and session_id = ? and state = 'PENDING' and expires_at > clock_timestamp()
        returning action, text, target, "by"`,
      [commandId, sessionId],
    );
    if (taken === undefined) return;
    try {
      await call.command({ ...taken, commandId });
    } catch (error) {
      if (!(error instanceof AppError)) log.error({ err: error, sessionId, commandId }, 'a command failed');
      await em.nativeUpdate(CallCommand, { id: commandId }, { state: 'FAILED', error: writeError(error) });
      await topics.publish('callCommandFailed', { commandId }).catch(() => {});
    }
  }

  private get ackSeconds(): number {
    return this.context.settings.timing.commandAckMs / 1_000;
  }
}

interface Taken {
  action: CommandAction;
  text: string | null;
  target: string | null;
  by: string;
}

const IN_SECONDS = 'clock_timestamp() + make_interval(secs => ?)';

function sameOrder(known: CallCommand, order: CommandOrder): boolean {
  return (
    known.sessionId === order.sessionId &&
    known.action === order.action &&
    // A warm transfer's text becomes what the person is told.
    (order.action === 'WARM_TRANSFER' || (known.text ?? null) === order.text) &&
    (known.target ?? null) === order.target
  );
}

/** What an owner answers travels as text, so that whoever asked can throw the same. */
interface WrittenError {
  code: ErrorCode;
  message: string;
  details?: readonly FieldIssue[];
  extra?: Record<string, unknown>;
  retryAfterSeconds?: number;
}

function writeError(error: unknown): string {
  const known =
    error instanceof AppError ? error : new AppError('INTERNAL', 'The process that owns the call failed to do this');
  const { code, message, details, extra, retryAfterSeconds } = known;
  return JSON.stringify({ code, message, details, extra, retryAfterSeconds } satisfies Record<
    keyof WrittenError,
    unknown
  >);
}

function readError(text: string | null | undefined): AppError {
  const { code, message, ...rest } = JSON.parse(text ?? '{}') as Partial<WrittenError>;
  const known = code !== undefined && code in ERROR_CATALOGUE ? code : 'INTERNAL';
  return new AppError(known, message ?? 'The command failed', rest);
}
