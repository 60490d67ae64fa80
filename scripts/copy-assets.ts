/** Copies what tsc does not: every file under an `assets` folder of src goes to the same place under dist. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folders = readdirSync('src', { recursive: true, withFileTypes: true }).filter(
  (entry) => entry.isDirectory() && entry.name === 'assets',
);
for (const { parentPath, name } of folders) {
  const from = join(parentPath, name);
  cpSync(from, join('dist', from.slice('src/'.length)), { recursive: true, filter: (file) => !file.endsWith('.ts') });
}
