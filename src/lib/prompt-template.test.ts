import { describe, expect, it } from 'vitest';
import { lineDiff } from './line-diff.js';
import { fillIn, misnamedIn, variablesIn } from './prompt-template.js';

describe('prompt templates', () => {
  it('name their variables once each', () =>
    expect(variablesIn('{{b}} {{ a }} {{b}} {c} {{1x}} {{a-b.c}}')).toEqual(['b', 'a', 'a-b.c']));
  it('are told apart from what is no name', () =>
    expect(misnamedIn('{{a}} {{1x}} {{ customer name }} {{}} {c}')).toEqual(['1x', 'customer name', '']));
  it('are filled in literally', () => {
    expect(fillIn('Hello {{name}}, {{ missing }}!', { name: '$& {{x}}' })).toBe('Hello $& {{x}}, !');
    expect(fillIn('{{constructor}}{{customer name}}', {})).toBe('');
  });
});

describe('a line diff', () => {
  const names = { before: 'a', after: 'b' };
  it('is empty for equal texts', () => expect(lineDiff('x', 'x', names)).toBe(''));
  it('shows what changed, with its surroundings and line numbers', () => {
    const before = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'].join('\n');
    const after = ['1', '2', '3', '4', 'five', '6', '7', '8', '9', '10', '11'].join('\n');
    expect(lineDiff(before, after, names)).toBe(
      [
        '--- a',
        '+++ b',
        '@@ -2,9 +2,10 @@',
        ' 2',
        ' 3',
        ' 4',
        '-5',
        '+five',
        ' 6',
        ' 7',
        ' 8',
        ' 9',
        ' 10',
        '+11',
        '',
      ].join('\n'),
    );
  });
});
