/** Answers of the simulated text model: schema-valid, and the same for the same input. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
}

/** A value for a JSON Schema: texts from the input, numbers from the middle of their range. */
export function valueFor(schema: Schema, input: string, name = ''): unknown {
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, valueFor(inner, input, key)]),
      );
    case 'array':
      return name === 'tags' ? ['simulated'] : [];
    case 'number':
    case 'integer':
      return schema.type === 'integer' ? (schema.minimum ?? 0) : ((schema.minimum ?? 0) + (schema.maximum ?? 1)) * 0.9;
    case 'boolean':
      return true;
    case 'string':
      return summaryOf(input);
    default:
      return null;
  }
}

function summaryOf(input: string): string {
  const caller = input.split('\n').find((line) => line.startsWith('caller: '));
  return `Simulated summary. ${caller ?? 'The caller said nothing.'}`.slice(0, 300);
}
