import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Two points of a distribution, ms. */
export interface Percentiles {
  p50: number;
  p99: number;
}

/** Collects durations; microseconds inside. */
export class Durations {
  private readonly histogram: RecordableHistogram = createHistogram();

  add(ms: number): void {
    this.histogram.record(Math.max(1, Math.round(ms * 1_000)));
  }

  get count(): number {
    return this.histogram.count;
  }

  percentiles(): Percentiles {
    return { p50: this.histogram.percentile(50) / 1_000, p99: this.histogram.percentile(99) / 1_000 };
  }

  clear(): void {
    this.histogram.reset();
  }
}

/** Of the rounds of one measurement. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of each figure over the rounds. */
export function medians<K extends string>(rounds: readonly Record<K, number>[]): Record<K, number> {
  const names = Object.keys(rounds[0]!) as K[];
  return Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => round[name]))])) as Record<
    K,
    number
  >;
}

/** Three digits that mean something. */
export function figure(value: number): string {
  if (value < 0) return `-${figure(-value)}`;
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A Markdown table, columns aligned: numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
