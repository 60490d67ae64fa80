import { Migration } from '@mikro-orm/migrations';

/** The history of traffic is append-only as the audit log is, and neither can be emptied at once. */
export class Migration014 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `create or replace function "rollout_history_rollout_history_append_only_fn"() returns trigger as $$ begin begin raise exception 'rollout_history is append-only'; end; end; $$ language plpgsql`,
  `create trigger "rollout_history_append_only" BEFORE UPDATE OR DELETE on "rollout_history" for each ROW execute function "rollout_history_rollout_history_append_only_fn"()`,
  ...['audit_entry', 'rollout_history'].map(
    (table) =>
      `create trigger "${table}_no_truncate" before truncate on "${table}" for each statement execute function "${table}_${table}_append_only_fn"()`,
  ),
];
