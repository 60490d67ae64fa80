interface Step {
  sign: ' ' | '-' | '+';
  line: string;
}

/** Lines around a change that are shown with it. */
const CONTEXT = 3;

/** A unified diff of two texts, line by line; empty when they are equal. */
export function lineDiff(before: string, after: string, names: { before: string; after: string }): string {
  if (before === after) return '';
  const steps = editScript(before.split('\n'), after.split('\n'));
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks(steps)].join('\n') + '\n';
}

/** The longest common subsequence, as steps. Texts are prompts: some thousand lines at most. */
function editScript(a: readonly string[], b: readonly string[]): Step[] {
  const width = b.length + 1;
  // common[i * width + j]: length of the longest common subsequence of a[i..] and b[j..].
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const steps: Step[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      steps.push({ sign: ' ', line: a[i]! });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      steps.push({ sign: '-', line: a[i]! });
      i += 1;
    } else {
      steps.push({ sign: '+', line: b[j]! });
      j += 1;
    }
  }
  return steps;
}

function hunks(steps: readonly Step[]): string[] {
  const shown = steps.map((_, at) =>
    steps.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((s) => s.sign !== ' '),
  );
  const lines: string[] = [];
  let oldLine = 1;
  let newLine = 1;
  for (let at = 0; at < steps.length; at += 1) {
    if (shown[at] && !shown[at - 1]) {
      const end = shown.indexOf(false, at);
      const hunk = steps.slice(at, end === -1 ? steps.length : end);
      const count = (other: Step['sign']) => hunk.filter((step) => step.sign !== other).length;
      lines.push(`@@ -${oldLine},${count('+')} +${newLine},${count('-')} @@`);
    }
    const step = steps[at]!;
    if (shown[at]) lines.push(step.sign + step.line);
    if (step.sign !== '+') oldLine += 1;
    if (step.sign !== '-') newLine += 1;
  }
  return lines;
}
