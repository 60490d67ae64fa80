import { Migration } from '@mikro-orm/migrations';

/** Values of the prompt's variables that belong to one call. */
export class Migration013 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [`alter table "call" add "prompt_variables" jsonb null`];
