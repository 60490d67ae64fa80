import { Migration } from '@mikro-orm/migrations';

/** What the text model made of a call, kept as it was made. */
export class Migration006 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [`alter table "voice_session" add "analysis" jsonb null`];
