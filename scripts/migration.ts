/**
 * Writes a migration with the difference between what the migrations make and what the entities say.
 * Usage: npm run migration -- NAME   (add it to src/entities/migrations/index.ts, read it, then commit it)
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';

const name = process.argv[2];
if (name === undefined || !/^[a-z][a-z0-9-]*$/.test(name)) {
  console.error('usage: npm run migration -- NAME (lower case, dashes)');
  process.exit(1);
}
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
const { Database } = await import(new URL('../dist/entities/database.js', import.meta.url).href);
const database = await Database.open({ pgliteDir: 'memory://' });
await database.migrate();
const sql: string = await database.orm.schema.getUpdateSchemaSQL({ wrap: false });
await database.close();
const statements = sql
  .split(/;\n+/)
  .map((s) => s.trim().replace(/;$/, ''))
  .filter(Boolean);
if (statements.length === 0) {
  console.log('Nothing to do: the migrations make what the entities say.');
  process.exit(0);
}
const number = String(readdirSync('src/entities/migrations').filter((f) => /^\d{3}-/.test(f)).length + 1).padStart(
  3,
  '0',
);
const className = `Migration${number}`;
writeFileSync(
  `src/entities/migrations/${number}-${name}.ts`,
  `import { Migration } from '@mikro-orm/migrations';

/** TITLE */
export class ${className} extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}

const STATEMENTS = [
${statements.map((s) => `  \`${s.replaceAll('`', '\\`')}\`,`).join('\n')}
];
`,
);
console.log(`src/entities/migrations/${number}-${name}.ts: ${statements.length} statements`);
