import { describe, expect, it } from 'vitest';
import { seededChance } from './chance.js';
import { escapeXml, parseXml } from './xml.js';

describe('strict XML', () => {
  it.each(['<a>', '<a></b>', '<a>&</a>', '<a x=1/>', 'text', '<a/><b/>', '<a>&unknown;</a>', '<a x="<"/>', ''])(
    'refuses %s',
    (xml) => expect(() => parseXml(xml)).toThrow(),
  );

  it('reads entities, attributes and nesting', () => {
    expect(parseXml('<?xml version="1.0"?><a b="1 &lt; 2">x &#39;y&#x27;<c/></a>')).toEqual({
      name: 'a',
      attributes: { b: '1 < 2' },
      text: "x 'y'",
      children: [{ name: 'c', attributes: {}, text: '', children: [] }],
    });
  });

  it('reads what was escaped as it was', () => {
    expect(parseXml(`<a>${escapeXml('R&D <1> "x"')}</a>`).text).toBe('R&D <1> "x"');
  });
});

it('the same seed is the same chance', () => {
  const roll = (seed: number) => Array.from({ length: 1_000 }, seededChance(seed));
  expect(roll(7)).toEqual(roll(7));
  expect(roll(7)).not.toEqual(roll(8));
  const mean = roll(7).reduce((sum, value) => sum + value, 0) / 1_000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
});
