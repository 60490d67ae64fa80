import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScriptedCaller, type Step } from '../../src/simulators/carrier/caller.js';
import { seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { follow, run, socketClient } from '../testkit/graphql.js';
import {
  callsQuery,
  makeCallMutation,
  sessionEventsSubscription,
  transcriptSubscription,
} from '../testkit/operations.js';
import { until } from '../testkit/until.js';

const CUSTOMER = '+15555555678';
const VIEWERS = 8;
const CUTS_PER_VIEWER = 25;

describe('a call placed and watched through GraphQL', () => {
  let gateway: TestGateway;
  let acme: Awaited<ReturnType<typeof seedCallable>>;
  const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });

  beforeAll(async () => {
    gateway = await startGateway();
    acme = await seedCallable(gateway);
    gateway.carrier.behaviours.set(CUSTOMER, {
      handset: () =>
        new ScriptedCaller([
          { waitForAgent: 400 },
          say('order-status'),
          { waitForAgent: 600 },
          say('thanks-goodbye'),
          { waitForAgent: 600, orAfter: 8_000 },
          { hangUp: true },
        ]),
    });
  });
  afterAll(() => gateway.stop());

  it('gives the same conversation to every viewer, however often they were cut off', async () => {
    const dial = { input: { to: CUSTOMER, agentKey: 'front_desk' }, idempotencyKey: 'order-1' };
    const [first, again] = await Promise.all([
      run(gateway, makeCallMutation, dial, acme.key),
      run(gateway, makeCallMutation, dial, acme.key),
    ]);
    expect(again.makeCall.call!.id).toBe(first.makeCall.call!.id);
    expect([first.makeCall.duplicate, again.makeCall.duplicate].toSorted()).toEqual([false, true]);

    const callNow = async () => {
      const { calls } = await run(gateway, callsQuery, { first: 1 }, acme.key);
      return calls.edges[0]!.node;
    };
    const session = await until(async () => (await callNow()).session, 'the session');
    const { client } = socketClient(gateway, { authorization: `Bearer ${acme.key}` });
    const undisturbed = collect(follow(client, sessionEventsSubscription, { sessionId: session.id }));
    const partials = collect(follow(client, transcriptSubscription, { sessionId: session.id, partial: true }));
    const viewers = Array.from({ length: VIEWERS }, () => new CutOffViewer(gateway.origin, acme.key, session.id));
    const seen = await Promise.all(viewers.map((viewer) => viewer.watch(CUTS_PER_VIEWER)));
    const events = (await undisturbed).map((result) => result.sessionEvents);

    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)!.__typename).toBe('SessionEnded');
    for (const { seqs, cuts } of seen) {
      expect(seqs).toEqual(events.map((event) => event.seq));
      expect(cuts).toBe(CUTS_PER_VIEWER);
    }
    const { session: stored, ...call } = await until(async () => {
      const now = await callNow();
      return now.status === 'COMPLETED' ? now : null;
    }, 'the end of the call');
    expect(call).toMatchObject({ direction: 'OUTBOUND', agentKey: 'front_desk' });
    const finals = new Map(
      (await partials)
        .filter((r) => r.transcriptTurns.final)
        .map((r) => [r.transcriptTurns.index, r.transcriptTurns.text]),
    );
    expect(stored!.turns.length).toBeGreaterThan(3);
    expect(stored!.turns.map((turn) => turn.text)).toEqual(
      [...finals.entries()].toSorted(([a], [b]) => a - b).map(([, text]) => text),
    );
    await client.dispose();
  });
});

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Watches one session over sockets that die at random moments; resumes with the last seq that it saw. */
class CutOffViewer {
  private readonly seqs: number[] = [];
  private cuts = 0;

  constructor(
    private readonly origin: string,
    private readonly key: string,
    private readonly sessionId: string,
  ) {}

  async watch(cuts: number): Promise<{ seqs: number[]; cuts: number }> {
    let completed = false;
    while (!completed || this.cuts < cuts) {
      // Cut often enough while the call runs; what is missing at its end is cut out of the replay.
      if (completed) this.seqs.length = 0;
      completed = await this.connect(this.cuts < cuts ? Math.random() * 120 : null);
    }
    return { seqs: this.seqs, cuts: this.cuts };
  }

  /** Resolves to whether the subscription completed; the socket dies after `cutAfterMs`. */
  private connect(cutAfterMs: number | null): Promise<boolean> {
    const socket = new WebSocket(`${this.origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    return new Promise((resolve, reject) => {
      const timer =
        cutAfterMs === null
          ? undefined
          : setTimeout(() => {
              this.cuts += 1;
              socket.terminate();
              resolve(false);
            }, cutAfterMs);
      // Dying before it is open is one of the random moments.
      socket.on('error', (error) => (/before the connection/.test(error.message) ? undefined : reject(error)));
      socket.on('open', () =>
        socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${this.key}` } })),
      );
      socket.on('message', (data) => {
        // Frames that were read together with the cut are lost with it.
        if (socket.readyState !== WebSocket.OPEN) return;
        const message = JSON.parse((data as Buffer).toString()) as { type: string; payload?: any };
        if (message.type === 'connection_ack') {
          const payload = {
            query: sessionEventsSubscription.toString(),
            variables: { sessionId: this.sessionId, after: this.seqs.at(-1) ?? 0 },
          };
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
        } else if (message.type === 'next') {
          if (message.payload.errors) reject(new Error(JSON.stringify(message.payload.errors)));
          else this.seqs.push(message.payload.data.sessionEvents.seq);
        } else if (message.type === 'error') reject(new Error(JSON.stringify(message.payload)));
        else if (message.type === 'complete') {
          clearTimeout(timer);
          socket.terminate();
          resolve(true);
        }
      });
    });
  }
}
