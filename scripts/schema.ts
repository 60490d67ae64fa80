/**
 * Writes schema/schema.graphql from the type-graphql classes; with --check says whether it would change.
 * The classes use decorators, which Node cannot strip: they are built first (under two seconds).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const FILE = 'schema/schema.graphql';

execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
const { schema } = await import(new URL('../dist/resolvers/schema.js', import.meta.url).href);
const { lexicographicSortSchema, printSchema } = await import('graphql');
const sdl = `# Written by "npm run schema" from src/resolvers; do not edit.\n\n${printSchema(lexicographicSortSchema(schema()))}\n`;

if (process.argv.includes('--check')) {
  let committed = '';
  try {
    committed = readFileSync(FILE, 'utf8');
  } catch {
    // Missing is as good as different.
  }
  if (committed !== sdl) {
    console.error(`${FILE} is not what the classes say: run "npm run schema && npm run codegen" and commit.`);
    process.exit(1);
  }
} else {
  mkdirSync('schema', { recursive: true });
  writeFileSync(FILE, sdl);
}
