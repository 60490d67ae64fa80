import { Type, type Static, type TObject, type TProperties } from 'typebox';
import { camel, snakeDeep, type Camel } from './naming.js';

/** What a row must have to be shown: every field of the schema, in camelCase. */
type RowOf<P> = { [K in keyof P as K extends string ? Camel<K> : never]?: unknown };

/** A resource of the admin API: one schema that documents, serialises and decides which fields are shown at all. */
export interface Resource<P extends TProperties> {
  schema: TObject<P>;
  /** `extra` are fields that the row does not have under this name. */
  of(row: RowOf<Omit<P, 'ok'>>, extra?: Partial<Static<TObject<P>>>): Static<TObject<P>>;
}

/** `words`: fields whose enumerated values are shown in lower case. */
export function resource<P extends TProperties>(properties: P, words: readonly (keyof P & string)[] = []): Resource<P> {
  return {
    schema: Type.Object(properties),
    of(row, extra = {}) {
      const shown = Object.keys(properties).map((name) => {
        if (name in extra) return [name, extra[name as keyof typeof extra]];
        const value = (row as Record<string, unknown>)[camel(name)] ?? null;
        return [name, words.includes(name) && typeof value === 'string' ? value.toLowerCase() : snakeDeep(value)];
      });
      return Object.fromEntries(shown) as Static<TObject<P>>;
    },
  };
}
