import { Migration } from '@mikro-orm/migrations';

/** A session says itself that its call was a test, so that lists of sessions need not ask for its call. */
export class Migration010 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `alter table "voice_session" add column "synthetic" boolean not null default false`,
  `update "voice_session" s set "synthetic" = true from "call" c where c."id" = s."call_id" and c."synthetic"`,
];
