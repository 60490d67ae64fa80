import { Migration } from '@mikro-orm/migrations';

/** Which broken promises to call back operators were told of. */
export class Migration008 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `alter table "callback_task" add "breach_told_at" timestamptz null`,
  `create index "callback_task_promised_index" on "callback_task" ("sla_due_at") where state in ('OPEN', 'CLAIMED') and breach_told_at is null`,
];
