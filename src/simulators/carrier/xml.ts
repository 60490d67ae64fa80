/** An element of a TwiML document; text between elements is joined and trimmed. */
export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const TAG = /<(?:\?[^]*?\?|!--[^]*?--|(\/?)([A-Za-z][\w-]*)((?:\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?))>/y;
const ATTRIBUTE = /([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

function decode(text: string): string {
  return text.replace(/&([^;\s]{1,10});|&/g, (whole, name: string | undefined) => {
    if (name?.startsWith('#'))
      return String.fromCodePoint(Number(name.startsWith('#x') ? `0${name.slice(1)}` : name.slice(1)));
    const char = name === undefined ? undefined : ENTITIES[name];
    if (char === undefined) throw new Error(`bad entity ${whole}`);
    return char;
  });
}

/** Parses as strictly as Twilio does: one root, everything closed, every `&` escaped. Throws on anything else. */
export function parseXml(xml: string): XmlElement {
  const root: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  for (let at = 0; at < xml.length;) {
    const next = xml.indexOf('<', at);
    const text = xml.slice(at, next === -1 ? xml.length : next);
    open.at(-1)!.text += decode(text);
    if (next === -1) break;
    TAG.lastIndex = next;
    const match = TAG.exec(xml);
    if (match === null) throw new Error(`bad markup at ${next}: ${xml.slice(next, next + 30)}`);
    at = TAG.lastIndex;
    const [, closing, name, attributes, empty] = match;
    if (name === undefined) continue;
    if (closing) {
      const closed = open.pop()!;
      if (closed.name !== name) throw new Error(`</${name}> closes <${closed.name}>`);
      closed.text = closed.text.trim();
      continue;
    }
    const element: XmlElement = { name, attributes: {}, children: [], text: '' };
    for (const [, key, double, single] of (attributes ?? '').matchAll(ATTRIBUTE))
      element.attributes[key!] = decode(double ?? single ?? '');
    open.at(-1)!.children.push(element);
    if (!empty) open.push(element);
  }
  if (open.length !== 1 || root.children.length !== 1 || root.text.trim() !== '')
    throw new Error('not one closed document');
  return root.children[0]!;
}

/** For text that is put into a document. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (char) => (char === '&' ? '&amp;' : char === '<' ? '&lt;' : '&gt;'));
}
