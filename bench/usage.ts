import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a process has used. */
export interface Usage {
  /** User and system time since it started, all threads. */
  cpuMs: number;
  /** Live objects and buffers after a collection: what the kernel holds for sockets is not in it. */
  kib: number;
}

/** Of this process. Collects garbage first: never inside of a measured interval. */
export function usage(): Usage {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Buffers are let go by what the collection before found dead.
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return { cpuMs: cpuMs(), kib: (heapUsed + external) / 1024 };
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
