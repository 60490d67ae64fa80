import { Migration } from '@mikro-orm/migrations';

/** Operations: webhooks out, callbacks, do-not-call, commands, metrics. */
export class Migration002 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `create table "do_not_call_entry" ("id" uuid not null, "tenant_id" varchar(64) null, "number" varchar(20) not null, "reason" text null, "source" varchar(20) not null, "expires_at" timestamptz null, "created_by" varchar(200) not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "do_not_call_entry_number_index" on "do_not_call_entry" ("number")`,
  `create index "do_not_call_entry_tenant_id_created_at_id_index" on "do_not_call_entry" ("tenant_id", "created_at", "id")`,
  `alter table "do_not_call_entry" add constraint "do_not_call_entry_tenant_id_number_unique" unique ("tenant_id", "number")`,
  `create table "metrics_minute" ("tenant_id" varchar(64) not null, "bucket" timestamptz not null, "agent_version_id" varchar(36) not null, "agent_key" varchar(100) null, "created" int not null default 0, "answered" int not null default 0, "ended" int not null default 0, "completed" int not null default 0, "transferred" int not null default 0, "escalated" int not null default 0, "failed" int not null default 0, "handle_seconds" int not null default 0, "interruptions" int not null default 0, "score_sum" double precision not null default 0, "score_count" int not null default 0, "webhooks_failed" int not null default 0, "errors" jsonb not null, "first_audio_bins" jsonb not null, primary key ("tenant_id", "bucket", "agent_version_id"))`,
  `create index "metrics_minute_bucket_index" on "metrics_minute" ("bucket")`,
  `create table "scheduled_call" ("id" uuid not null, "tenant_id" varchar(64) not null, "due_at" timestamptz not null, "state" text not null default 'WAITING', "request" jsonb not null, "requested_by" varchar(200) not null, "call_id" uuid null, "error" text null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "scheduled_call_state_due_at_index" on "scheduled_call" ("state", "due_at")`,
  `create index "scheduled_call_tenant_id_created_at_id_index" on "scheduled_call" ("tenant_id", "created_at", "id")`,
  `create table "rubric" ("agent_id" uuid not null, "tenant_id" varchar(64) not null, "revision" int not null default 1, "criteria" jsonb not null, "sample_rate" double precision not null default 1, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("agent_id"))`,
  `create index "rubric_tenant_id_index" on "rubric" ("tenant_id")`,
  `create table "callback_task" ("id" uuid not null, "tenant_id" varchar(64) not null, "call_id" uuid null, "queue" varchar(100) not null default 'default', "priority" int not null default 3, "state" text not null default 'OPEN', "number" varchar(20) null, "reason" text not null, "notes" jsonb not null, "origin" text not null, "due_at" timestamptz not null, "sla_due_at" timestamptz null, "assignee" varchar(200) null, "claimed_at" timestamptz null, "closed_at" timestamptz null, "auto_dial" boolean not null default false, "agent_key" varchar(100) null, "result_call_id" uuid null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "callback_task_call_id_index" on "callback_task" ("call_id")`,
  `create index "callback_task_tenant_id_state_priority_due_at_index" on "callback_task" ("tenant_id", "state", "priority", "due_at")`,
  `create index "callback_task_tenant_id_created_at_id_index" on "callback_task" ("tenant_id", "created_at", "id")`,
  `create index "callback_task_state_auto_dial_due_at_index" on "callback_task" ("state", "auto_dial", "due_at")`,
  `create table "tenant_event" ("id" varchar(40) not null, "tenant_id" varchar(64) not null, "event" varchar(60) not null, "payload" jsonb not null, "created_at" timestamptz not null, primary key ("id"))`,
  `create index "tenant_event_tenant_id_created_at_id_index" on "tenant_event" ("tenant_id", "created_at", "id")`,
  `create table "call_command" ("id" uuid not null, "tenant_id" varchar(64) not null, "session_id" uuid not null, "action" varchar(20) not null, "text" text null, "target" varchar(255) null, "by" varchar(200) not null, "state" text not null default 'PENDING', "error" text null, "expires_at" timestamptz not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "call_command_session_id_state_index" on "call_command" ("session_id", "state")`,
  `create table "webhook_endpoint" ("id" uuid not null, "tenant_id" varchar(64) not null, "url" text not null, "events" jsonb not null, "enabled" boolean not null default true, "disabled_reason" text null, "secret_sealed" text not null, "previous_secret_sealed" text null, "previous_secret_expires_at" timestamptz null, "from_runtime_config" boolean not null default false, "description" text null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "webhook_endpoint_tenant_id_created_at_id_index" on "webhook_endpoint" ("tenant_id", "created_at", "id")`,
  `create table "webhook_delivery" ("id" uuid not null, "tenant_id" varchar(64) not null, "event_id" varchar(40) not null, "endpoint_id" uuid not null, "event" varchar(60) not null, "status" text not null default 'PENDING', "attempt_count" int not null default 0, "next_attempt_at" timestamptz null, "leased_until" timestamptz null, "last_status_code" int null, "last_error" text null, "last_latency_ms" int null, "delivered_at" timestamptz null, "attempts" jsonb not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, primary key ("id"))`,
  `create index "webhook_delivery_tenant_id_created_at_id_index" on "webhook_delivery" ("tenant_id", "created_at", "id")`,
  `create index "webhook_delivery_endpoint_id_status_next_attempt_at_index" on "webhook_delivery" ("endpoint_id", "status", "next_attempt_at")`,
  `create index "webhook_delivery_status_next_attempt_at_index" on "webhook_delivery" ("status", "next_attempt_at")`,
  `alter table "webhook_delivery" add constraint "webhook_delivery_event_id_endpoint_id_unique" unique ("event_id", "endpoint_id")`,
  `alter table "scheduled_call" add constraint "scheduled_call_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "scheduled_call" add constraint "scheduled_call_state_check" check ("state" in ('WAITING', 'DIALED', 'REFUSED', 'CANCELED'))`,
  `alter table "rubric" add constraint "rubric_agent_id_foreign" foreign key ("agent_id") references "agent" ("id") on update cascade on delete cascade`,
  `alter table "rubric" add constraint "rubric_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "callback_task" add constraint "callback_task_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "callback_task" add constraint "callback_task_call_id_foreign" foreign key ("call_id") references "call" ("id") on delete set null`,
  `alter table "callback_task" add constraint "callback_task_state_check" check ("state" in ('OPEN', 'CLAIMED', 'DONE', 'CANCELED'))`,
  `alter table "callback_task" add constraint "callback_task_origin_check" check ("origin" in ('AGENT', 'RULE', 'SUPERVISOR', 'API', 'FALLBACK'))`,
  `alter table "tenant_event" add constraint "tenant_event_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "call_command" add constraint "call_command_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "call_command" add constraint "call_command_session_id_foreign" foreign key ("session_id") references "voice_session" ("id")`,
  `alter table "call_command" add constraint "call_command_state_check" check ("state" in ('PENDING', 'DONE', 'FAILED', 'EXPIRED'))`,
  `alter table "webhook_endpoint" add constraint "webhook_endpoint_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "webhook_delivery" add constraint "webhook_delivery_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id")`,
  `alter table "webhook_delivery" add constraint "webhook_delivery_event_id_foreign" foreign key ("event_id") references "tenant_event" ("id")`,
  `alter table "webhook_delivery" add constraint "webhook_delivery_endpoint_id_foreign" foreign key ("endpoint_id") references "webhook_endpoint" ("id")`,
  `alter table "webhook_delivery" add constraint "webhook_delivery_status_check" check ("status" in ('PENDING', 'DELIVERED', 'FAILED', 'DEAD_LETTER'))`,
];
