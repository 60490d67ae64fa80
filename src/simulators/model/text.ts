/** Answers of the simulated text model: schema-valid, and the same for the same input. */
export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  minItems?: number;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}

/** Where in its range a number of the simulated model lies: content, not enthusiastic. */
const GOOD = 0.9;
const SUMMARY_LENGTH = 300;

/**
 * A value that a JSON Schema allows: texts from the input (the lines of a transcript, `caller: …`), numbers and scores
 * near the good end of their range, as few list entries as allowed.
 */
export function valueFor(schema: Schema, input: string, name = '', definitions = schema.$defs ?? {}): unknown {
  const inner = (part: Schema, partName = name) => valueFor(part, input, partName, definitions);
  if (schema.$ref !== undefined) return inner(definitions[schema.$ref.replace(/^#\/\$defs\//, '')] ?? {});
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf !== undefined) return inner(schema.anyOf[0] ?? {});
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, property]) => [key, inner(property, key)]),
      );
    case 'array':
      if (name === 'tags') return ['simulated'];
      return Array.from({ length: schema.minItems ?? 0 }, () => inner(schema.items ?? {}));
    case 'number':
      return between(schema);
    case 'integer':
      return /index/.test(name) ? (schema.minimum ?? 0) : Math.floor(between(schema));
    case 'boolean':
      return true;
    case 'string':
      return textFor(schema, input, name);
    default:
      return null;
  }
}

function between({ minimum = 0, maximum = Math.max(1, minimum) }: Schema): number {
  return Math.round((minimum + (maximum - minimum) * GOOD) * 1_000) / 1_000;
}

function textFor(schema: Schema, input: string, name: string): string {
  const line = input.split('\n').find((l) => l.startsWith('caller: '));
  const text = /quote|evidence/.test(name)
    ? (line?.slice('caller: '.length) ?? '')
    : `Simulated ${name || 'answer'}. ${line ?? 'The caller said nothing.'}`;
  const least = schema.minLength ?? 0;
  return text.padEnd(least, '.').slice(0, Math.min(schema.maxLength ?? Infinity, Math.max(SUMMARY_LENGTH, least)));
}
