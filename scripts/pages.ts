/**
 * Bundles the pages into dist/pages, each once for every state of its source and of what is installed. An installation
 * without the development packages goes without them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** GraphiQL is not served in production, and minifying it takes longer than everything else together. */
const PAGES = [
  { name: 'graphiql', source: 'graphiql', minify: false },
  { name: 'console', source: 'console', minify: true },
];
const LOCK = readFileSync('package-lock.json');

/** Of everything that a bundle is made from. */
function stampOf(source: string): string {
  const hash = createHash('sha256').update(LOCK);
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) hash.update(entry.name).update(readFileSync(join(entry.parentPath, entry.name)));
  return hash.digest('hex');
}

for (const { name, source, minify } of PAGES) {
  const target = `${process.cwd()}/dist/pages/${name}`;
  const stampFile = `${target}.stamp`;
  const stamp = stampOf(source);
  if (!existsSync('node_modules/vite')) {
    console.log(`The page ${name} is left out: the development packages are not installed.`);
  } else if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
    const { build } = await import('vite');
    rmSync(target, { recursive: true, force: true });
    await build({
      root: source,
      base: `/${name}/`,
      configFile: false,
      // Notes of third-party packages to their own authors.
      logLevel: 'silent',
      worker: { format: 'es' },
      build: { outDir: target, emptyOutDir: true, minify, reportCompressedSize: false },
    });
    mkdirSync('dist/pages', { recursive: true });
    writeFileSync(stampFile, stamp);
  }
}
