/** Writes the typed operations of codegen.ts; with --check says whether they would change. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generate, type CodegenConfig } from '@graphql-codegen/cli';

const { default: config } = (await import(new URL('../codegen.ts', import.meta.url).href)) as {
  default: CodegenConfig;
};
const files = (await generate({ ...config, silent: true }, false)) as { filename: string; content: string }[];
const stale = files.filter(
  ({ filename, content }) => !existsSync(filename) || readFileSync(filename, 'utf8') !== content,
);
if (process.argv.includes('--check')) {
  for (const { filename } of stale) console.error(`${filename} is stale: run "npm run codegen" and commit.`);
  process.exit(stale.length > 0 ? 1 : 0);
}
for (const { filename, content } of stale) {
  mkdirSync(dirname(filename), { recursive: true });
  writeFileSync(filename, content);
}
