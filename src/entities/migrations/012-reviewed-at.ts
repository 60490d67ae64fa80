import { Migration } from '@mikro-orm/migrations';

/** When a person judged a session first. */
export class Migration012 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `alter table "voice_session" add "reviewed_at" timestamptz null`,
  `update "voice_session" s set "reviewed_at" = e."first" from (
     select "session_id", min("created_at") as "first" from "evaluation" where "source" in ('HUMAN', 'API') group by 1
   ) e where e."session_id" = s."id"`,
];
