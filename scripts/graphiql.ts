/**
 * Bundles GraphiQL's page into dist, once for each version of it and of the page. Production does not serve the page,
 * so an installation without the development packages goes without.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const SOURCE = 'src/resolvers/graphiql';
const TARGET = 'dist/resolvers/graphiql/bundle';
const STAMP = 'dist/resolvers/graphiql/stamp';

const stamp = createHash('sha256')
  .update(readFileSync('node_modules/graphiql/package.json'))
  .update(readFileSync(`${SOURCE}/index.html`))
  .update(readFileSync(`${SOURCE}/page.js`))
  .digest('hex');

if (!existsSync('node_modules/vite')) {
  console.log('GraphiQL is left out: the development packages are not installed.');
} else if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stamp) {
  const { build } = await import('vite');
  rmSync(TARGET, { recursive: true, force: true });
  await build({
    root: SOURCE,
    base: '/graphiql/',
    configFile: false,
    // Notes of third-party packages to their own authors.
    logLevel: 'silent',
    worker: { format: 'es' },
    build: { outDir: `${process.cwd()}/${TARGET}`, emptyOutDir: true, minify: false, reportCompressedSize: false },
  });
  mkdirSync('dist/resolvers/graphiql', { recursive: true });
  writeFileSync(STAMP, stamp);
}
