import { invalid } from '../lib/errors.js';

const RFC3339 = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** A time window of a list: RFC 3339 times or plain days (UTC). Throws VALIDATION_FAILED. */
export function windowOf(window: { from?: string | undefined; to?: string | undefined }) {
  return { after: timeOf('from', window.from), before: timeOf('to', window.to) };
}

export function timeOf(path: string, text: string | null | undefined): Date | null {
  if (text == null || text === '') return null;
  // A plus sign that nobody escaped arrives as a space.
  const time = new Date(text.replace(/ (?=\d\d:?\d\d$)/, '+'));
  if (!RFC3339.test(text) || Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1970)
    throw invalid({ path, message: 'must be a time like 2026-05-14T09:30:00Z' });
  return time;
}
