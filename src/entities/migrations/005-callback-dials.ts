import { Migration } from '@mikro-orm/migrations';

/** When a callback dials by itself next, and how often it has. */
export class Migration005 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `drop index "callback_task_state_auto_dial_due_at_index"`,
  `alter table "callback_task" add "dial_at" timestamptz null, add "dial_attempts" int not null default 0`,
  `create index "callback_task_state_auto_dial_dial_at_index" on "callback_task" ("state", "auto_dial", "dial_at")`,
];
