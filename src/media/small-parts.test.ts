import { describe, expect, it } from 'vitest';
import type { TurnState } from '../ports/session-events.js';
import { Deadlines } from './deadlines.js';
import { InboundBuffer } from './inbound-buffer.js';
import { isOwnItem } from './model-items.js';
import { reseedItems } from './reseed.js';
import { SILENCE_BASE64, SilenceGuard } from './silence.js';

describe('silence', () => {
  it('is one second of 0xFF', () => {
    const bytes = Buffer.from(SILENCE_BASE64, 'base64');
    expect(bytes).toHaveLength(8_000);
    expect(bytes.every((byte) => byte === 0xff)).toBe(true);
  });

  it('is injected when frames stop while speech is open, at most ten seconds of it', () => {
    const guard = new SilenceGuard();
    guard.frame();
    expect(guard.tick(0)).toBe(false);
    guard.speech(true, 1_000);
    guard.frame();
    expect(guard.tick(1_100)).toBe(false);
    expect(guard.tick(1_800)).toBe(false);
    expect(guard.tick(1_850)).toBe(true);
    expect(guard.tick(1_900)).toBe(false);
    let injected = 1;
    for (let now = 2_000; now < 60_000; now += 100) if (guard.tick(now)) injected += 1;
    expect(injected).toBe(10);
  });

  it('is left alone while frames come, and between utterances', () => {
    const guard = new SilenceGuard();
    guard.speech(true, 0);
    for (let now = 0; now < 5_000; now += 100) {
      guard.frame();
      expect(guard.tick(now)).toBe(false);
    }
    guard.speech(false, 5_000);
    expect(guard.tick(60_000)).toBe(false);
  });
});

describe('the buffer before session.updated', () => {
  it('gives the audio back in order, once', () => {
    const buffer = new InboundBuffer();
    const taken: string[] = [];
    buffer.push('a');
    buffer.push('b');
    buffer.drain((frame) => taken.push(frame));
    buffer.drain((frame) => taken.push(frame));
    expect(taken).toEqual(['a', 'b']);
  });

  it('holds ten seconds and drops the oldest', () => {
    const buffer = new InboundBuffer();
    let dropped = 0;
    for (let i = 0; i < 600; i += 1) dropped += buffer.push(String(i).padEnd(216, '/'));
    const taken: string[] = [];
    buffer.drain((frame) => taken.push(frame));
    expect(taken.length + dropped).toBe(600);
    expect(taken.length).toBeGreaterThanOrEqual(490);
    expect(taken.length).toBeLessThan(500);
    expect(taken.at(-1)).toMatch(/^599/);
  });
});

describe('deadlines', () => {
  it('run once, earliest first; a deadline may cancel or set others', () => {
    let now = 0;
    const deadlines = new Deadlines({ now: () => new Date(now), monotonicMs: () => now });
    const ran: string[] = [];
    deadlines.after('late', 20, () => ran.push('late'));
    deadlines.after('early', 10, () => {
      ran.push('early');
      deadlines.cancel('late');
      deadlines.after('next', 0, () => ran.push('next'));
    });
    deadlines.after('moved', 5, () => ran.push('moved'));
    deadlines.after('moved', 500, () => ran.push('moved'));
    deadlines.tick((now = 30));
    expect(ran).toEqual(['early']);
    deadlines.tick(now);
    expect(ran).toEqual(['early', 'next']);
    expect(deadlines.has('moved')).toBe(true);
    deadlines.clear();
    deadlines.tick((now = 1_000));
    expect(ran).toEqual(['early', 'next']);
  });
});

describe('re-seeding a new model session', () => {
  const turn = (index: number, speaker: TurnState['speaker'], text: string, interrupted = false): TurnState => ({
    id: `t${index}`,
    index,
    speaker,
    text,
    final: true,
    interrupted,
    startedAtMs: 0,
    endedAtMs: 1,
    latencyMs: null,
  });
  const texts = (items: ReturnType<typeof reseedItems>): string[] =>
    items.map((event) => {
      const item = event['item'] as { id: string; role: string; content: { type: string; text: string }[] };
      expect(isOwnItem(item.id)).toBe(true);
      expect(item.id.length).toBeLessThanOrEqual(32);
      expect(item.content[0]!.type).toBe(item.role === 'assistant' ? 'output_text' : 'input_text');
      return `${item.role}: ${item.content[0]!.text}`;
    });

  it('tells the conversation as text, in order, without empty turns', () => {
    expect(
      texts(
        reseedItems(
          [
            turn(2, 'AGENT', 'Your order', true),
            turn(0, 'AGENT', 'Hello'),
            turn(1, 'CALLER', 'Hi'),
            turn(3, 'CALLER', ''),
            turn(4, 'SUPERVISOR', 'One moment'),
          ],
          ['The tool said 2d'],
        ),
      ),
    ).toEqual([
      'assistant: Hello',
      'user: Hi',
      'assistant: Your order …',
      'system: A colleague said to the caller: One moment',
      'system: The tool said 2d',
    ]);
  });

  it('keeps the newest turns of a conversation that is too long', () => {
    const long = Array.from({ length: 100 }, (_, i) => turn(i, 'CALLER', `${i} ${'x'.repeat(1_000)}`));
    const items = texts(reseedItems(long));
    expect(items.length).toBeLessThan(30);
    expect(items[0]).toContain('left out');
    expect(items.at(-1)).toContain('99 ');
  });
});
