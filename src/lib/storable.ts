import { invalid } from './errors.js';

/** Deeper input is nobody's contract, and walking it costs. */
const MAX_DEPTH = 32;

/**
 * Refuses text that PostgreSQL cannot store (NUL characters, lone surrogates) anywhere in an input: better a named field
 * here than its error there. Throws VALIDATION_FAILED with the path of the field, `path` before it.
 */
export function refuseUnstorable(value: unknown, path = '', depth = 0): void {
  if (typeof value === 'string') return refuseText(value, path);
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw invalid({ path, message: `is nested deeper than ${MAX_DEPTH} levels` });
  for (const [name, inner] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`;
    refuseText(name, path);
    refuseUnstorable(inner, at, depth + 1);
  }
}

function refuseText(text: string, path: string): void {
  if (text.includes('\0') || !text.isWellFormed())
    throw invalid({ path: path.replaceAll('\0', ''), message: 'must be valid Unicode text without NUL characters' });
}
