import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** `| 7 | the trap | proof |`, where a proof is prose, or `file`: title, several joined by <br>. */
const rows = [...readFileSync('docs/traps.md', 'utf8').matchAll(/^\| *(\d+) *\|(.*?)\|(.*)\|$/gm)].map((match) => ({
  number: Number(match[1]),
  proofs: [...match[3]!.matchAll(/`([^`]+\.test\.ts)`: (.*?)(?=<br>| *$)/g)].map(([, file, title]) => [file!, title!]),
}));

describe('the list of traps', () => {
  it('knows all 39', () => expect(rows.map((row) => row.number)).toEqual(Array.from({ length: 39 }, (_, i) => i + 1)));

  it('names tests that exist', () => {
    const missing = rows
      .flatMap((row) => row.proofs)
      .filter(([file, title]) => !readFileSync(file!, 'utf8').includes(title!));
    expect(missing).toEqual([]);
    expect(rows.flatMap((row) => row.proofs).length).toBeGreaterThan(45);
  });
});
