/**
 * `npm run dev`: builds, serves, and does both again when a file of src changes. `tsc --watch` is not used because
 * TypeScript 7.0 misses changes; a whole build takes less than a second. A build that fails leaves the old one serving.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Editors write a file in several steps, and a checkout writes many files. */
const QUIET_MS = 150;

let server: ChildProcess | null = null;
let stopping = false;
/** Restarts follow each other: a change during one starts the next. */
let turn: Promise<void> = Promise.resolve();

function built(): boolean {
  const steps = [['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], ['scripts/copy-assets.ts']] as const;
  return steps.every((args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0);
}

function start(): void {
  const args = ['--env-file-if-exists=.env', '--enable-source-maps', 'dist/main.js'];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  server = child;
  child.on('exit', (code) => {
    if (server !== child) return;
    server = null;
    if (stopping) process.exit(code ?? 0);
    console.error(`dev: the gateway exited with ${code}; waiting for a change`);
  });
}

async function stop(): Promise<void> {
  const child = server;
  if (child === null) return;
  server = null;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

async function restart(): Promise<void> {
  if (stopping || !built()) return;
  await stop();
  if (!stopping) start();
}

let quiet: NodeJS.Timeout | undefined;
const watched = new Set<string>();

/**
 * Watches each folder by itself: Node's recursive watch follows files, and loses one that an editor replaced. A folder
 * that goes away takes its watch with it.
 */
function watchFolders(): void {
  const inside = readdirSync('src', { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const folder of ['src', ...inside.map((entry) => join(entry.parentPath, entry.name))]) {
    if (watched.has(folder)) continue;
    watched.add(folder);
    const watcher = watch(folder, (_event, file) => {
      if (!existsSync(folder)) return watcher.close();
      if (file?.endsWith('.test.ts')) return;
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        watchFolders();
        turn = turn.then(restart);
      }, QUIET_MS);
    });
    watcher.on('close', () => watched.delete(folder)).on('error', () => watcher.close());
  }
}

process.on('SIGTERM', () => {
  stopping = true;
  if (server === null) process.exit(0);
  server.kill('SIGTERM');
});
// A terminal sends Ctrl-C to the gateway as well: a second signal from here would cut its shutdown short.
process.on('SIGINT', () => {
  stopping = true;
  if (server === null) process.exit(0);
});

watchFolders();
turn = turn.then(restart);
await turn;
if (!existsSync('dist/main.js')) console.error('dev: nothing to serve yet; waiting for a change');
