import type { EntityManager, EntityProperty } from '@mikro-orm/postgresql';
import { entities } from '../../src/entities/index.js';

/** One row in every table that belongs to a tenant: what another tenant must never see. */
export interface TenantRows {
  tenantId: string;
  /** Entity name -> id of its row. */
  ids: ReadonlyMap<string, string>;
  /** A word in every text of this tenant. */
  marker: string;
}

/** JSON columns whose readers expect more than an empty list. */
const JSON_VALUES: Record<string, unknown> = {
  telephony: {},
  governance: {},
  promptVariables: {},
  payload: { turn: null },
  request: {},
  errors: {},
  firstAudioBins: {},
  arguments: {},
  result: {},
};
/** Columns that name a row of another table without a foreign key. */
const REFERENCES: Record<string, string> = {
  publishedVersionId: 'AgentVersion',
  callId: 'Call',
  phoneRouteId: 'PhoneRoute',
  fromVersionId: 'AgentVersion',
  toVersionId: 'AgentVersion',
  resultCallId: 'Call',
  sessionId: 'VoiceSession',
};

/** Writes the rows straight into the tables, in the order that their foreign keys ask for. */
export async function seedTenantRows(em: EntityManager, tenantId: string, marker: string): Promise<TenantRows> {
  const ids = new Map<string, string>([['Tenant', tenantId]]);
  const discovered = entities.map((entity) => em.getMetadata().get(entity.meta.className as never));
  let left = discovered.filter((meta) => meta.className !== 'Tenant' && meta.props.some((p) => p.name === 'tenantId'));
  const insert = async (name: string, values: object) => {
    const row = em.create(name as never, values as never) as { id?: string };
    await em.flush();
    return row.id;
  };
  await insert('Tenant', { id: tenantId, name: marker });
  while (left.length > 0) {
    const ready = left.filter((meta) => meta.props.every((p) => p.kind !== 'm:1' || ids.has(p.targetMeta!.className)));
    if (ready.length === 0) throw new Error(`foreign keys in a circle: ${left.map((meta) => meta.className).join()}`);
    for (const { className, props } of ready) {
      const values = props
        .filter((property) => property.onCreate === undefined)
        .map((property) => [property.name, valueOf(property, ids, marker)] as const)
        .filter(([, value]) => value !== undefined);
      ids.set(className, (await insert(className, Object.fromEntries(values))) ?? tenantId);
    }
    left = left.filter((meta) => !ready.includes(meta));
  }
  return { tenantId, ids, marker };
}

function valueOf(property: EntityProperty, ids: ReadonlyMap<string, string>, marker: string): unknown {
  const { name, kind, type, runtimeType, length, items, nullable } = property;
  if (kind === 'm:1') return ids.get(property.targetMeta!.className);
  if (name === 'tenantId') return ids.get('Tenant');
  if (REFERENCES[name] !== undefined) return ids.get(REFERENCES[name]) ?? null;
  if (items !== undefined) return items[0];
  if (name === 'source') return 'api';
  if (/json/i.test(String(type))) return JSON_VALUES[name] ?? (nullable === true ? null : []);
  if (/uuid/i.test(String(type))) return null;
  if (runtimeType === 'Date') return property.default === undefined && nullable !== true ? new Date() : undefined;
  if (runtimeType === 'boolean') return property.default === undefined && nullable !== true ? true : undefined;
  if (runtimeType === 'number') return property.default === undefined && nullable !== true ? 1 : undefined;
  return `${marker} ${name}`.slice(0, length ?? 100);
}
