/** `value` as JSON that PostgreSQL can store: it takes no NUL and no lone surrogate, and a model or a tool may send both. */
export function storable(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('\\u0000', '\\ufffd')
    .replace(/\\ud[89a-f][0-9a-f]{2}/gi, '\\ufffd');
}
