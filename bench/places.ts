import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startPart, type AnyPart, type OptionsOf, type PartName, type PartOf } from './parts.js';
import type { Answer, Question } from './part-process.js';
import { cpuMs, type Usage } from './usage.js';

/** The server under test has one core for itself, the load the other, where there are two. */
export type Role = 'server' | 'load';

/** A running part, wherever it runs. */
export interface Running<P> {
  ask<Q extends Extract<keyof P, string>>(
    question: Q,
    ...argument: P[Q] extends (...args: infer A) => unknown ? A : never
  ): P[Q] extends (...args: never[]) => infer R ? R : never;
  cpuMs(): Promise<number>;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** Where parts run. */
export interface Place {
  /** For the reader of the figures. */
  readonly description: string;
  start<N extends PartName>(role: Role, name: N, options: OptionsOf<N>): Promise<Running<PartOf<N>>>;
}

type Ask = (question: string, argument?: unknown) => Promise<any>;

function running<P>(ask: Ask, own: Pick<Running<P>, 'cpuMs' | 'usage' | 'stop'>): Running<P> {
  return { ask: ask as unknown as Running<P>['ask'], ...own };
}

/** Everything in this process: for tests, whose figures mean nothing. */
export const here: Place = {
  description: 'one process for everything',
  start: async (_role, name, options) => {
    const part: AnyPart = await startPart(name, options);
    return running(async (question, argument) => part[question]!(argument), {
      cpuMs: async () => cpuMs(),
      // Nobody reads this figure, and collecting a whole test run takes its time.
      usage: async () => ({ cpuMs: cpuMs(), kib: process.memoryUsage().heapUsed / 1024 }),
      stop: () => part.close(),
    });
  },
};

const ENTRY = fileURLToPath(new URL('./part-process.js', import.meta.url));
/** A part that does not close by itself is killed after this. */
const STOP_TIMEOUT_MS = 10_000;

/** Each part in a process of its own, pinned where `taskset` and a second core allow it. */
export function processes({ profile = false }: { profile?: boolean } = {}): Place {
  const cores = pinnable();
  return {
    description: cores === null ? 'not pinned' : `server on core ${cores.server}, load on core ${cores.load}`,
    start: async (role, name, options) => {
      const node = [...(profile && role === 'server' ? ['--cpu-prof'] : []), ENTRY, name, JSON.stringify(options)];
      const command = cores === null ? [] : ['taskset', '-c', cores[role]];
      const [file, ...args] = [...command, process.execPath, ...node] as [string, ...string[]];
      const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      const ask = asker(child, name);
      await ask('ready');
      return running(ask, {
        cpuMs: () => ask('cpuMs'),
        usage: () => ask('usage'),
        stop: () => stop(child, ask),
      });
    },
  };
}

function asker(child: ChildProcess, name: string): Ask {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let next = 0;
  child.on('message', (reply: Answer) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('error' in reply) asked?.reject(new Error(`${name}: ${reply.error}`));
    else asked?.resolve(reply.value);
  });
  child.on('exit', (code, signal) => {
    for (const asked of waiting.values()) asked.reject(new Error(`${name} ended with ${signal ?? code}`));
    waiting.clear();
  });
  return (question, argument) => {
    const asked = Promise.withResolvers<unknown>();
    const message: Question = { id: next++, name: question, argument };
    waiting.set(message.id, asked);
    child.send(message);
    return asked.promise;
  };
}

async function stop(child: ChildProcess, ask: Ask): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ask('close').catch(() => {});
  if (child.connected) child.disconnect();
  await gone;
  clearTimeout(timer);
}

/** Two cores that this process may use, when `taskset` is there. */
function pinnable(): Record<Role, string> | null {
  let list: string;
  try {
    list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  } catch {
    return null;
  }
  const [server, load] = list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: Math.min(2, to - from + 1) }, (_, i) => String(from + i));
  });
  if (server === undefined || load === undefined) return null;
  return spawnSync('taskset', ['-c', server, 'true']).status === 0 ? { server, load } : null;
}
