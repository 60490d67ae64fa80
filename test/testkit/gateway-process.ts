import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { restAt, type RestClient, type TestGateway } from './gateway.js';

/** A gateway as its own process of the operating system, of the same installation as the one in this process. */
export interface GatewayProcess extends RestClient {
  origin: string;
  /** The lines of its log, of every level. */
  said: readonly string[];
  /** Its exit code; null when a signal ended it. */
  exited: Promise<number | null>;
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
}

let built = false;

/** What `npm start` runs, built once. */
function build(): void {
  if (built) return;
  for (const args of [['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], ['scripts/copy-assets.ts']])
    execFileSync(process.execPath, args, { stdio: 'inherit' });
  built = true;
}

/** Needs the services suite: the embedded database serves one process. */
export async function startGatewayProcess(
  beside: TestGateway,
  env: Record<string, string> = {},
): Promise<GatewayProcess> {
  if (beside.database.url === null) throw new Error('two processes need PostgreSQL');
  build();
  const child = spawn(process.execPath, ['--enable-source-maps', 'dist/main.js'], {
    env: { ...beside.env, DATABASE_URL: beside.database.url, LOG_LEVEL: 'trace', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const said: string[] = [];
  const origin = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      said.push(line);
      const record = JSON.parse(line) as { msg?: string; origin?: string };
      if (record.msg === 'gateway is up') resolve(record.origin!);
    });
    void exited.then((code) => reject(new Error(`the gateway left with ${code}:\n${said.join('\n')}`)));
  });
  return { origin, said, exited, signal: (signal) => void child.kill(signal), ...restAt(origin) };
}
