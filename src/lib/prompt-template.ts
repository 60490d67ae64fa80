const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** What stands between double braces, each once, in order of appearance. */
function placeholdersIn(text: string): string[] {
  return [...new Set([...text.matchAll(PLACEHOLDER)].map((match) => match[1]!.trim()))];
}

/** Names used as `{{name}}` in a text, each once, in order of appearance. */
export const variablesIn = (text: string): string[] => placeholdersIn(text).filter((name) => NAME.test(name));

/** What stands between double braces and is no name: `{{customer name}}` would reach the model as nothing. */
export const misnamedIn = (text: string): string[] => placeholdersIn(text).filter((name) => !NAME.test(name));

/** The text with its variables filled in; one without a value becomes nothing, rather than braces that a model reads aloud. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(PLACEHOLDER, (_, inside: string) => {
    const name = inside.trim();
    return Object.hasOwn(values, name) ? values[name]! : '';
  });
}
