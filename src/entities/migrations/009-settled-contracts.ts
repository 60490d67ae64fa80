import { Migration } from '@mikro-orm/migrations';

/** Versions that left DRAFT hold what they used to leave to their tenant; drafts go on following it. */
export class Migration009 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
  `update "agent_version" v set "model" = coalesce(v."model", c."model"), "voice" = coalesce(v."voice", c."voice")
     from "runtime_config" c where c."tenant_id" = v."tenant_id" and v."status" <> 'DRAFT'`,
  `update "agent_version" set "model" = coalesce("model", 'gpt-realtime'), "voice" = coalesce("voice", 'alloy')
    where "status" <> 'DRAFT'`,
  `update "agent_version" v set "prompt_key" = p."key", "prompt_revision" = p."published_revision"
     from "runtime_config" c join "prompt" p on p."tenant_id" = c."tenant_id" and p."key" = c."system_prompt_key"
    where c."tenant_id" = v."tenant_id" and v."status" <> 'DRAFT' and v."prompt" is null and v."prompt_key" is null
      and p."published_revision" is not null`,
  `update "agent_version" set "prompt" = 'You are a friendly voice agent on the telephone. Speak in short sentences. Find out what the caller needs, help where you can, and offer a person where you cannot.'
    where "status" <> 'DRAFT' and "prompt" is null and "prompt_key" is null`,
];
