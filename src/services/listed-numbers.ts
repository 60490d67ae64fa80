import type { EntityManager } from '@mikro-orm/postgresql';

/** Which of these must not be called at that time, on whatever list; by {@link listedKey}. */
export async function listedAmong(
  em: EntityManager,
  numbers: readonly { tenantId: string; number: string }[],
  at: Date,
): Promise<ReadonlySet<string>> {
  if (numbers.length === 0) return new Set();
  const rows = await em.execute<{ number: string; tenant_id: string | null }[]>(
    `select number, tenant_id from do_not_call_entry
     where number in (select jsonb_array_elements_text(?::jsonb)) and (expires_at is null or expires_at > ?)`,
    [JSON.stringify(numbers.map(({ number }) => number)), at],
  );
  const listed = new Set(rows.map(({ tenant_id, number }) => listedKey({ tenantId: tenant_id, number })));
  return new Set(
    numbers
      .filter((one) => listed.has(listedKey(one)) || listed.has(listedKey({ ...one, tenantId: null })))
      .map(listedKey),
  );
}
export const listedKey = ({ tenantId, number }: { tenantId: string | null; number: string }): string =>
  `${tenantId ?? ''} ${number}`;
