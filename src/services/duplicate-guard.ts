import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Call, VoiceSession } from '../entities/index.js';
import type { ServiceContext } from './context.js';

/** Calls of the tenant that are in the way of a second one to the same number. */
export interface DuplicateGuard {
  tenantId: string;
  number: string;
}

/**
 * The call that the tenant already has with this number, or null. Takes one lock per tenant and number for the rest of
 * the transaction: two requests that check at once cannot both find nothing. A dial whose outcome is not known blocks for
 * five minutes; synthetic calls reach nobody and block nobody.
 */
export async function findDuplicate(
  em: EntityManager,
  context: ServiceContext,
  { tenantId, number }: DuplicateGuard,
): Promise<Call | null> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 7204))', [`dial:${tenantId}:${number}`]);
  const unknownSince = new Date(context.clock.now().getTime() - context.settings.timing.unknownBlocksMs);
  return em.findOne(
    Call,
    {
      tenantId,
      synthetic: false,
      $and: [
        {
          $or: [
            { direction: 'OUTBOUND', toNumber: number },
            { direction: 'INBOUND', fromNumber: number },
          ],
        },
        {
          $or: [
            { status: { $in: ['QUEUED', 'RINGING', 'IN_PROGRESS'] } },
            { status: { $in: ['DIALING', 'UNKNOWN'] }, createdAt: { $gt: unknownSince } },
          ],
        },
      ],
    },
    { orderBy: { createdAt: 'desc' }, lockMode: LockMode.NONE },
  );
}

/**
 * True for a running call of which nothing was heard for a while: its last callback may be lost. A session that beats is
 * news, too.
 */
export async function isSilent(em: EntityManager, context: ServiceContext, call: Call): Promise<boolean> {
  if (call.callSid == null) return false;
  const { clock, settings } = context;
  const now = clock.now().getTime();
  const heard = Math.max(call.updatedAt.getTime(), call.checkedAt?.getTime() ?? 0);
  if (now - heard < settings.timing.silentCallLookupMs) return false;
  const session = await em.findOne(VoiceSession, { callId: call.id, status: 'ACTIVE' });
  return now - (session?.ownerBeatAt?.getTime() ?? 0) >= settings.timing.ownerDeadAfterMs;
}
