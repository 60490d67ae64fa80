import { Migration } from '@mikro-orm/migrations';

/** Which revision of its rubric an evaluation judged by. */
export class Migration011 extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [`alter table "evaluation" add "rubric_revision" int null`];
