import { Migration } from '@mikro-orm/migrations';

/** Metrics by the hour, and of every tenant together. Nothing is counted yet of either: an emptied table fills itself. */
export class Migration007 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `create table "metrics_hour" ("tenant_id" varchar(64) not null, "bucket" timestamptz not null, "agent_version_id" varchar(36) not null, "agent_key" varchar(100) null, "created" int not null default 0, "answered" int not null default 0, "ended" int not null default 0, "completed" int not null default 0, "transferred" int not null default 0, "escalated" int not null default 0, "failed" int not null default 0, "handled" int not null default 0, "handle_seconds" int not null default 0, "interruptions" int not null default 0, "score_sum" double precision not null default 0, "score_count" int not null default 0, "errors" jsonb not null, "first_audio_bins" jsonb not null, primary key ("tenant_id", "bucket", "agent_version_id"))`,
  `create index "metrics_hour_bucket_index" on "metrics_hour" ("bucket")`,
  `delete from "metrics_minute"`,
];
