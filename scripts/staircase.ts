/** Enforces the import staircase of docs/architecture.md: downstairs only, never sideways. Prints each arrow that is wrong. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

interface Room {
  name: string;
  level: number;
}

/**
 * First match wins. Level 0: aside (adapters and their like), which see levels 1 and 2 and themselves. Level 6: above the
 * house, sees everything and is seen by nobody.
 */
const ROOMS: readonly (readonly [RegExp, Room])[] = [
  [/^lib\//, { name: 'lib', level: 1 }],
  [/^ports\//, { name: 'ports', level: 2 }],
  [/^entities\//, { name: 'entities', level: 2 }],
  [/^pubsub\/topics\.ts$/, { name: 'topics', level: 2 }],
  [/^pubsub\//, { name: 'pubsub implementations', level: 0 }],
  [/^adapters\//, { name: 'adapters', level: 0 }],
  [/^simulators\//, { name: 'simulators', level: 0 }],
  [/^media\/(stream|live-audio)-route[a-z-]*\.ts$/, { name: 'media route', level: 4 }],
  [/^media\//, { name: 'media engine', level: 3 }],
  [/^services\//, { name: 'services', level: 3 }],
  [/^live\//, { name: 'live feed', level: 3 }],
  [/^resolvers\//, { name: 'resolvers', level: 4 }],
  [/^rest-compat\//, { name: 'rest-compat', level: 4 }],
  [/^webhooks\//, { name: 'webhooks', level: 4 }],
  [/^\.\.\/bench\//, { name: 'bench', level: 6 }],
  [/^(main|app|config|wiring[a-z-]*)\.ts$|^(app|config|demo)\//, { name: 'top', level: 5 }],
];

/** Rooms of one level that may see a neighbour: ports and entities name each other's words, doors share none. */
const NEIGHBOURS = new Set(['ports>ports', 'entities>ports', 'topics>ports', 'ports>entities']);

function roomOf(file: string): Room | null {
  return ROOMS.find(([pattern]) => pattern.test(file))?.[1] ?? null;
}

/** What is wrong with one import, or null. Paths are relative to src, with forward slashes. */
export function wrongArrow(from: string, to: string): string | null {
  const a = roomOf(from);
  const b = roomOf(to);
  if (a === null || b === null) return `${a === null ? from : to} stands in no room of the house`;
  if (a.name === b.name || NEIGHBOURS.has(`${a.name}>${b.name}`)) return null;
  const allowed =
    a.level === 0 ? b.level === 1 || b.level === 2 : a.level === 5 ? b.level <= 5 : b.level !== 0 && b.level < a.level;
  return allowed ? null : `${from} (${a.name}) must not import ${to} (${b.name})`;
}

/** A vendor's package outside its adapter, or null. */
export function strayVendor(from: string, specifier: string): string | null {
  const vendor = /^(twilio|openai)(\/|$)/.exec(specifier)?.[1];
  return vendor === undefined || from.startsWith('adapters/')
    ? null
    : `${from} must not import ${vendor}: only adapters know a vendor's package`;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g;

/** Every wrong arrow under `root`. Tests beside the source may look wherever they like. */
export function inspect(root: string): string[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (f) => f.endsWith('.ts') && !f.endsWith('.test.ts'),
  );
  return files.flatMap((file) => {
    const from = file.replaceAll('\\', '/');
    return [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].flatMap((match) => {
      const specifier = (match[1] ?? match[2] ?? match[3])!;
      if (!specifier.startsWith('.')) return strayVendor(from, specifier) ?? [];
      const to = normalize(join(dirname(from), specifier))
        .replaceAll('\\', '/')
        .replace(/\.js$/, '.ts');
      return wrongArrow(from, to) ?? [];
    });
  });
}

if (process.argv[1]?.endsWith('staircase.ts')) {
  const wrong = inspect(relative(process.cwd(), 'src') || 'src');
  for (const arrow of wrong) console.error(arrow);
  process.exit(wrong.length > 0 ? 1 : 0);
}
