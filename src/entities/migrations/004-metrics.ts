import { Migration } from '@mikro-orm/migrations';

/** Metrics: how many calls the handled seconds belong to, and failed deliveries found without reading the others. */
export class Migration004 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `alter table "metrics_minute" rename column "webhooks_failed" to "handled"`,
  `create index "webhook_delivery_failed_index" on "webhook_delivery" ("created_at", "tenant_id") where status in ('FAILED', 'DEAD_LETTER')`,
];
