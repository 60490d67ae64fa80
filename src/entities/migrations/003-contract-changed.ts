import { Migration } from '@mikro-orm/migrations';

/** When a version's contract last changed, so that evidence from before does not count for it. */
export class Migration003 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `alter table "agent_version" add column "contract_changed_at" timestamptz null`,
  // Only drafts change: every later update of the row is about something else.
  `update "agent_version" set "contract_changed_at" = case when "status" = 'DRAFT' then "updated_at" else "created_at" end`,
  `alter table "agent_version" alter column "contract_changed_at" set not null`,
];
