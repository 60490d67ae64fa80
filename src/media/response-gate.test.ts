import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RealtimeClientEvent } from '../ports/realtime-model.js';
import { Deadlines } from './deadlines.js';
import { ResponseGate } from './response-gate.js';

class Bench {
  now = 0;
  readonly sent: RealtimeClientEvent[] = [];
  readonly deadlines = new Deadlines({ now: () => new Date(this.now), monotonicMs: () => this.now });
  readonly gate = new ResponseGate((event) => this.sent.push(event), this.deadlines);

  constructor() {
    this.gate.start();
  }

  get last(): { event_id: string; response: { metadata: { request: string }; instructions?: string } } {
    return this.sent.at(-1) as never;
  }
}

const ACTIVE = 'conversation_already_has_active_response';

describe('the response gate', () => {
  it('sends nothing before the session is configured', () => {
    const sent: unknown[] = [];
    const clock = { now: () => new Date(0), monotonicMs: () => 0 };
    const gate = new ResponseGate((event) => sent.push(event), new Deadlines(clock));
    gate.request({ purpose: 'greeting' });
    expect(sent).toEqual([]);
    gate.start();
    expect(sent).toHaveLength(1);
  });

  it('lets one response run at a time', () => {
    const bench = new Bench();
    const { gate, sent } = bench;
    gate.request({ purpose: 'greeting', instructions: 'one' });
    gate.request({ purpose: 'say', instructions: 'two' });
    expect(sent).toHaveLength(1);
    expect(gate.created('r1', bench.last.response.metadata)?.purpose).toBe('greeting');
    expect(sent).toHaveLength(1);
    gate.done('r1');
    expect(sent).toHaveLength(2);
  });

  it('joins waiting replies: one response.create for all of them', () => {
    const { gate, sent } = new Bench();
    gate.created('r1', null);
    gate.request({ purpose: 'reply' });
    gate.request({ purpose: 'reply' });
    gate.done('r1');
    expect(sent).toHaveLength(1);
  });

  it('asks again after conversation_already_has_active_response, when that response is done', () => {
    const bench = new Bench();
    bench.gate.request({ purpose: 'say', instructions: 'hello' });
    const { event_id: id } = bench.last;
    bench.gate.created('theirs', {});
    expect(bench.gate.refused(id, ACTIVE)).toBe(true);
    expect(bench.sent).toHaveLength(1);
    bench.gate.done('theirs');
    expect(bench.sent).toHaveLength(2);
    expect(bench.last.response.instructions).toBe('hello');
  });

  it('asks again after a moment when the response in its way is never heard of', () => {
    const bench = new Bench();
    bench.gate.request({ purpose: 'say' });
    bench.gate.refused(bench.last.event_id, ACTIVE);
    bench.deadlines.tick((bench.now = 500));
    expect(bench.sent).toHaveLength(1);
    bench.deadlines.tick((bench.now = 1_500));
    expect(bench.sent).toHaveLength(2);
  });

  it('gives up a request that the model refuses for another reason, and goes on with the next', () => {
    const bench = new Bench();
    bench.gate.request({ purpose: 'say', instructions: 'bad' });
    bench.gate.request({ purpose: 'say', instructions: 'good' });
    expect(bench.gate.refused(bench.last.event_id, 'invalid_value')).toBe(true);
    expect(bench.last.response.instructions).toBe('good');
    expect(bench.gate.refused('somebody else', ACTIVE)).toBe(false);
  });

  it('knows its own response by the metadata that it gave it', () => {
    const bench = new Bench();
    bench.gate.request({ purpose: 'greeting' });
    bench.gate.created('r1', bench.last.response.metadata);
    bench.gate.done('r1');
    bench.gate.request({ purpose: 'say' });
    expect(bench.gate.created('theirs', null)).toBeNull();
    expect(bench.gate.created('ours', bench.last.response.metadata)?.purpose).toBe('say');
  });

  it('gets along with a model that does not echo metadata', () => {
    const bench = new Bench();
    bench.gate.request({ purpose: 'greeting' });
    bench.gate.request({ purpose: 'say' });
    expect(bench.gate.created('r1', null)?.purpose).toBe('greeting');
    bench.gate.done('r1');
    expect(bench.sent).toHaveLength(2);
    expect(bench.gate.created('r2', null)?.purpose).toBe('say');
    bench.gate.done('r2');
    expect(bench.gate.idle).toBe(true);
  });

  it('waits while the caller speaks, and drops a plain reply that the answer to the caller covers', () => {
    const { gate, sent } = new Bench();
    gate.hold('caller');
    gate.request({ purpose: 'reply' });
    gate.request({ purpose: 'say' });
    gate.created('theirs', null);
    gate.release('caller');
    expect(sent).toHaveLength(0);
    gate.done('theirs');
    expect(sent).toHaveLength(1);
    expect(gate.idle).toBe(false);
  });

  it('asks the next model session for what the lost one had not begun', () => {
    const { gate, sent } = new Bench();
    gate.request({ purpose: 'greeting', instructions: 'hi' });
    gate.reset();
    gate.start();
    expect(sent).toHaveLength(2);
  });

  it('never has two requests open, loses none, and ends idle, however the model interleaves its own responses', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { maxLength: 80 }), (steps) => {
        const bench = new Bench();
        const { gate } = bench;
        gate.request({ purpose: 'greeting' });
        gate.created('first', bench.last.response.metadata);
        gate.done('first');
        bench.sent.length = 0;
        let active: string | null = null;
        let open: { id: string; metadata: unknown } | null = null;
        let asked = 0;
        let answered = 0;
        let n = 0;
        const pickUp = (): void => {
          if (bench.sent.length === 0) return;
          expect(bench.sent).toHaveLength(1);
          expect(open).toBeNull();
          const event = bench.sent.pop() as unknown as { event_id: string; response: { metadata: unknown } };
          open = { id: event.event_id, metadata: event.response.metadata };
        };
        const answer = (): void => {
          if (open === null) return;
          if (active !== null) gate.refused(open.id, ACTIVE);
          else {
            active = `r${n++}`;
            gate.created(active, open.metadata);
            answered += 1;
          }
          open = null;
        };
        const finish = (): void => {
          if (active === null) return;
          const id = active;
          active = null;
          gate.done(id);
        };
        for (const step of steps) {
          if (step === 0) {
            gate.request({ purpose: 'say' });
            asked += 1;
          }
          if (step === 1 && active === null) gate.created((active = `s${n++}`), null);
          if (step === 2) answer();
          if (step === 3) finish();
          pickUp();
        }
        // A request refused five times is given up; this model is not that stubborn from here on.
        for (let i = 0; i < 400 && !gate.idle; i += 1) {
          finish();
          pickUp();
          answer();
          pickUp();
        }
        expect(gate.idle).toBe(true);
        expect(answered).toBeLessThanOrEqual(asked);
        if (!steps.includes(1)) expect(answered).toBe(asked);
      }),
    );
  });
});
