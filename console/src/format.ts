import { useEffect, useState } from 'react';

/** `1:05`, `1:02:03`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const percent = (share: number | null): string => (share === null ? '–' : `${Math.round(share * 100)} %`);

/** `in 5 min`, `2 h ago`. */
export function relative(at: string, now: number): string {
  const ms = Date.parse(at) - now;
  const [value, unit] = UNITS.find(([size]) => Math.abs(ms) >= size) ?? UNITS.at(-1)!;
  return new Intl.RelativeTimeFormat('en', { style: 'short', numeric: 'auto' }).format(Math.round(ms / value), unit);
}
const UNITS: readonly (readonly [number, Intl.RelativeTimeFormatUnit])[] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
];

export const clockTime = (at: string): string =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const dayAndTime = (at: string): string =>
  new Date(at).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** NO_ANSWER -> no answer. */
export const words = (name: string): string => name.toLowerCase().replaceAll('_', ' ');

/** The time, again every `everyMs`. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
