import type { VoiceSession } from '../../entities/index.js';
import { followChanges } from '../../live/changes.js';
import type { FeedIterator } from '../../live/feed-reader.js';
import { requireScope, tenantOf } from '../../services/viewer.js';
import type { GraphqlContext } from '../context.js';

/** The whole list now and after every change of a call; many changes at once are one. */
export async function activeSessionsFeed(
  { tenantId }: { tenantId?: string | null },
  { viewer, services }: GraphqlContext,
): Promise<FeedIterator<VoiceSession[]>> {
  requireScope(viewer, 'live:read');
  const only = viewer.kind === 'tenant' ? tenantOf(viewer, tenantId) : (tenantId ?? null);
  const list = () => services.sessionsQuery.active(viewer, { tenantId: only });
  return followChanges(services.context.topics, {
    topic: 'callChanged',
    keyOf: (message) => (only === null || message.tenantId === only ? 'list' : null),
    snapshot: async () => [await list()],
    load: list,
  });
}
