import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MULAW_BYTES_PER_MS } from '../../lib/mulaw.js';
import { MARK_EVERY_BYTES, idOf, read, stamp } from './watermark.js';

const ASSETS = join(import.meta.dirname, 'assets');

/** The speech of the simulators: recorded clips of callers, and a voice that can say any text. */
export class AudioLibrary {
  private readonly clips = new Map<string, { text: string; audio: Buffer }>();
  /** Everything that can be recognised: id of a text -> the text and the number of marks in its audio. */
  private readonly known = new Map<string, { text: string; marks: number }>();
  private readonly voice: Buffer;

  /** `msPerCharacter`: pace of the made voice; real speech takes about 60. */
  constructor(private readonly msPerCharacter = 60) {
    this.voice = readFileSync(join(ASSETS, 'agent-voice.ulaw'));
    for (const line of readFileSync(join(ASSETS, 'clips.txt'), 'utf8').trim().split('\n')) {
      const [name, text] = line.split('|') as [string, string];
      this.clips.set(name, { text, audio: this.mark(readFileSync(join(ASSETS, `${name}.ulaw`)), text) });
    }
  }

  get names(): string[] {
    return [...this.clips.keys()];
  }

  /** A recorded clip: µ-law audio. Throws for an unknown name. */
  clip(name: string): Buffer {
    return this.find(name).audio;
  }

  /** What is said in a clip. */
  text(name: string): string {
    return this.find(name).text;
  }

  /** The clip with this text, else the made voice saying it. */
  say(text: string): Buffer {
    const clip = [...this.clips.values()].find((c) => c.text === text);
    return clip?.audio ?? this.speak(text);
  }

  /** Speech-like µ-law audio for any text, as long as it would take to say. */
  speak(text: string): Buffer {
    const length = Math.max(1, Math.round(text.length * this.msPerCharacter)) * MULAW_BYTES_PER_MS;
    const audio = Buffer.alloc(length);
    for (let at = 0; at < length; at += this.voice.length)
      this.voice.copy(audio, at, 0, Math.min(this.voice.length, length - at));
    return this.mark(audio, text);
  }

  /** What somebody who heard this audio would write down; empty for silence or noise. */
  transcribe(audio: Buffer): string {
    return read(audio)
      .map(({ id, lastIndex }) => {
        const known = this.known.get(id);
        if (known === undefined) return '';
        const heard = (lastIndex + 1) / known.marks;
        return heard >= 0.9 ? known.text : cutAtWord(known.text, heard);
      })
      .filter(Boolean)
      .join(' ');
  }

  private mark(audio: Buffer, text: string): Buffer {
    this.known.set(idOf(text), {
      text,
      marks: Math.min(255, Math.max(1, Math.floor(audio.length / MARK_EVERY_BYTES))),
    });
    return stamp(audio, text);
  }

  private find(name: string): { text: string; audio: Buffer } {
    const clip = this.clips.get(name);
    if (clip === undefined) throw new Error(`no clip ${name}; known: ${this.names.join(', ')}`);
    return clip;
  }
}

function cutAtWord(text: string, share: number): string {
  const cut = text.slice(0, Math.round(text.length * share));
  return cut.slice(0, Math.max(cut.lastIndexOf(' '), 0)) || cut;
}
