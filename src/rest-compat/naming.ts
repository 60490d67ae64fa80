/** snake_case outside, camelCase inside; the types follow the names. */
export type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
export type Snake<S extends string> = S extends `${infer C}${infer Rest}`
  ? C extends Lowercase<C>
    ? `${C}${Snake<Rest>}`
    : `_${Lowercase<C>}${Snake<Rest>}`
  : S;

/** Fields whose inside belongs to the client, to a tool or to a vendor: only the name of the field is ours. */
const OPAQUE = [
  'parameters',
  'turn_detection',
  'prompt_variables',
  'arguments',
  'result',
  'detail',
  'before',
  'after',
  'criteria',
] as const;
type Opaque = (typeof OPAQUE)[number];
const opaque: ReadonlySet<string> = new Set(OPAQUE);

export type CamelDeep<T> = T extends readonly (infer Item)[]
  ? CamelDeep<Item>[]
  : T extends object
    ? { [K in keyof T as K extends string ? Camel<K> : K]: K extends Opaque ? T[K] : CamelDeep<T[K]> }
    : T;

export const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());
export const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** A request as the services take it. */
export function camelDeep<T>(value: T): CamelDeep<T> {
  return renamed(value, camel) as CamelDeep<T>;
}

/** What the services give as JSON shows it; times become texts, nothing stays undefined. */
export const snakeDeep = (value: unknown): unknown => renamed(value, snake);

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (typeof value !== 'object') return value;
  if (value === null) return null;
  const entries = Object.entries(value).map(([name, inner]) => [
    rename(name),
    opaque.has(snake(name)) ? inner : renamed(inner, rename),
  ]);
  return Object.fromEntries(entries);
}

/** What a value becomes in JSON: times are texts, nothing is undefined. */
export type Wire<T> = T extends Date ? string : T extends undefined ? null : T;
export type SnakeKeys<T> = { [K in keyof T as K extends string ? Snake<K> : K]-?: Wire<T[K]> };

/** The named fields of a row as JSON shows them: a new column is never public by accident. */
export function shape<T extends object, K extends keyof T & string>(row: T, ...names: K[]): SnakeKeys<Pick<T, K>> {
  return Object.fromEntries(names.map((name) => [snake(name), wire(row[name])])) as SnakeKeys<Pick<T, K>>;
}

const wire = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : (value ?? null));

/** Our words are lower case here: `NO_ANSWER` is `no_answer`. The caller names the words that can come out. */
export const lower = <W extends string>(word: string): W => word.toLowerCase() as W;
export const lowerAll = <const W extends string>(words: readonly W[]): Lowercase<W>[] =>
  words.map((word) => lower(word));
/** The word as the services know it; null where none was given. */
export const upper = <W extends string>(word: Lowercase<W> | null | undefined): W | null =>
  word == null ? null : (word.toUpperCase() as W);
