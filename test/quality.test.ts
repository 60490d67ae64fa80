import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call, type Turn } from '../src/entities/index.js';
import { TextModelError } from '../src/ports/text-model.js';
import { isSampled } from '../src/services/automatic-evaluations.js';
import { judgeByRules, scoreOf } from '../src/services/evaluation-rules.js';
import { judgementOf } from '../src/services/model-evaluation.js';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { noTextFaults } from '../src/simulators/model/text-server.js';
import { switchFaultsOn } from './testkit/faults.js';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { graphql, must } from './testkit/graphql.js';
import { until } from './testkit/until.js';

describe('after a call', () => {
  let gateway: TestGateway;
  let acme: Awaited<ReturnType<typeof seedCallable>>;
  let globex: Awaited<ReturnType<typeof seedCallable>>;
  const events: { event: string; data: Record<string, any> }[] = [];
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    events.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(204).end();
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    gateway = await startGateway({
      env: { TEXT_MODEL: 'simulated-text' },
      overrides: { timing: { completedWaitsForSummaryMs: 300, textModelRetryMs: 1_000 } },
    });
    acme = await seedCallable(gateway, 'acme', '+15555551234');
    globex = await seedCallable(gateway, 'globex', '+15555559999');
    for (const number of [acme.number, globex.number])
      gateway.carrier.numbers.get(number)!.statusCallback = `${gateway.app.publicUrl}/api/v1/call-status`;
    switchFaultsOn(gateway);
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    await gateway.admin('PUT', '/tenants/acme/runtime-config', { webhook_url: url });
  });
  afterAll(async () => {
    await gateway.stop();
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  });

  const RUBRIC = {
    criteria: [
      { key: 'politeness', description: 'The agent is polite.', weight: 1 },
      { key: 'help', description: 'The agent answers the question.', weight: 3 },
    ],
    sample_rate: 1,
  };
  const say = (name: string): Step => ({ say: gateway.model.library.clip(name) });
  const call = (from: string, to = acme.number) =>
    gateway.carrier.placeInboundCall({
      from,
      to,
      handset: new ScriptedCaller([
        { waitForAgent: 400 },
        say('order-status'),
        { waitForAgent: 600 },
        { hangUp: true },
      ]),
    });
  const sessionOf = async (sid: string, key = acme.key) =>
    (await gateway.call('GET', '/api/v1/voice-sessions', { key })).body.data.find((row: any) => row.call_sid === sid);
  const sourcesOf = (session: any) => session.evaluations.map((each: any) => each.source).toSorted();
  const told = (sid: string, event: string) =>
    events.filter((each) => each.event === event && each.data.call_sid === sid);

  it('a rubric is data: checked, revised, audited, and no business of tenants', async () => {
    const path = `/agents/${acme.agent.id}/rubric`;
    expect((await gateway.admin('GET', path)).status).toBe(404);
    const wrong = { criteria: [{ key: 'x', description: '', weight: 0 }, RUBRIC.criteria[0], RUBRIC.criteria[0]] };
    expect((await gateway.admin('PUT', path, wrong)).body).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'criteria[0].weight' }, { path: 'criteria[0].description' }, { path: 'criteria' }],
    });
    expect((await gateway.admin('PUT', path, RUBRIC)).body).toMatchObject({ ...RUBRIC, ok: true, revision: 1 });
    const input = { criteria: [...RUBRIC.criteria, { key: 'brevity', description: 'It is brief.', weight: 1 }] };
    const set = `mutation ($id: ID!, $input: RubricInput!) { setRubric(agentId: $id, input: $input) { revision sampleRate } }`;
    const variables = { id: acme.agent.id, input };
    expect((await must(gateway, set, variables)).setRubric).toEqual({ revision: 2, sampleRate: 1 });
    expect((await graphql(gateway, set, variables, acme.key)).errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect((await gateway.admin('PUT', path, RUBRIC)).body.revision).toBe(3);
    expect((await gateway.admin('PUT', path, RUBRIC)).body.revision).toBe(3);
    const log = await gateway.admin('GET', `/audit-log?action=rubric.set&subject_id=${acme.agent.id}`);
    expect(log.body.total).toBe(4);
    const read = `{ agent(key: "front_desk") { rubric { criteria { key weight } } } }`;
    expect((await must(gateway, read, {}, acme.key)).agent.rubric.criteria).toEqual([
      { key: 'politeness', weight: 1 },
      { key: 'help', weight: 3 },
    ]);
    expect((await must(gateway, read, {}, globex.key)).agent.rubric).toBeNull();
  });

  let sid: string;
  it('an outage of the text model delays what it says, and loses nothing', async () => {
    gateway.model.textFaults.status = 503;
    ({ sid } = await call('+15555550321'));
    const ended = await until(async () => {
      const session = await sessionOf(sid);
      return session?.status === 'completed' && session.evaluations.length === 1 && session;
    }, 'the judgement of the rules');
    // The business does not wait for it.
    const [completed] = await until(
      () => told(sid, 'voice.call.completed').length === 1 && told(sid, 'voice.call.completed'),
    );
    expect(completed!.data.summary).toBeNull();
    expect(ended).toMatchObject({
      summary: null,
      analysis: null,
      evaluations: [{ source: 'rules', evaluated_by: 'rules' }],
    });
    const keys = ended.evaluations[0].criteria.map((each: any) => each.key);
    expect(keys).toEqual(expect.arrayContaining(['success_signal', 'not_broken_off', 'answered_promptly']));
    await until(() => gateway.model.textRequests >= 2, 'attempts in vain');
    // A key that is refused until somebody mends it, and what is worse than no answer: half of one.
    for (const fault of [{ status: 401 }, { status: null, invalidJson: true }]) {
      Object.assign(gateway.model.textFaults, fault);
      const inVain = gateway.model.textRequests;
      await until(() => gateway.model.textRequests >= inVain + 2, 'both to be asked once more');
    }
    Object.assign(gateway.model.textFaults, noTextFaults());

    const session = await until(async () => {
      const now = await sessionOf(sid);
      return now.summary !== null && now.evaluations.length === 2 && now;
    }, 'what the model says at last');
    expect(session.analysis).toMatchObject({
      source: 'simulated-text',
      provider: 'openai',
      summary: session.summary,
      tags: ['simulated'],
      outcome: 'resolved',
    });
    expect(session.analysis.attempts).toBeGreaterThan(1);
    expect(session).toMatchObject({ status: 'completed', tags: ['simulated'], outcome: 'resolved' });
    expect(sourcesOf(session)).toEqual(['model', 'rules']);
    const judged = session.evaluations.find((each: any) => each.source === 'model');
    expect(judged).toMatchObject({ score: 0.9, evaluated_by: 'simulated-text', notes: expect.any(String) });
    for (const { quotes } of judged.criteria)
      for (const { turn, text } of quotes)
        expect(session.transcript.find((each: any) => each.index === turn).content).toContain(text);
    expect(judged.criteria.map((each: any) => [each.key, each.weight, each.quotes.length])).toEqual([
      ['politeness', 1, 1],
      ['help', 3, 1],
    ]);
    const log = (await gateway.call('GET', `/api/v1/call-logs/${sid}`, { key: acme.key })).body;
    expect(log).toMatchObject({ summary: session.summary, outcome: 'resolved' });
    expect(log.evaluation_score).toBeGreaterThan(0);
  }, 60_000);

  it('a person’s evaluation counts before all others, makes the session reviewed, and calibrates the model', async () => {
    const { id } = await sessionOf(sid);
    const record = `mutation ($input: RecordEvaluationInput!) { recordEvaluation(input: $input) {
      source score tags notes evaluatedBy rubricRevision criteria { key score weight comment quotes { turn } }
    } }`;
    // Criterion by criterion: the rubric's weights make the score, 1 of 4 and 3 of 4.
    const input = {
      sessionId: id,
      criteria: [
        { key: 'help', score: 0.5, comment: 'The date was missing.' },
        { key: 'politeness', score: 0.9 },
      ],
      tags: ['coach'],
      notes: 'Too fast.',
      evaluatedBy: 'Ann',
    };
    const { recordEvaluation } = await must(gateway, record, { input });
    expect(recordEvaluation).toEqual({
      source: 'HUMAN',
      score: 0.6,
      tags: ['coach'],
      notes: 'Too fast.',
      evaluatedBy: expect.stringMatching(/^Ann \(admin/),
      rubricRevision: 3,
      criteria: [
        { key: 'help', score: 0.5, weight: 3, comment: 'The date was missing.', quotes: [] },
        { key: 'politeness', score: 0.9, weight: 1, comment: null, quotes: [] },
      ],
    });
    const judge = (body: object) =>
      gateway.call('POST', `/api/v1/voice-sessions/${id}/evaluations`, { key: acme.key, body });
    // A judgement of the whole may differ from its parts, and need not judge all of them.
    expect(
      (await judge({ score: 0.8, criteria: [{ key: 'help', score: 0.9 }], evaluated_by: 'Bob' })).body,
    ).toMatchObject({
      ok: true,
      source: 'api',
      score: 0.8,
      evaluated_by: expect.stringMatching(/^Bob \(key:/),
      criteria: [{ key: 'help', weight: 3 }],
    });
    const wrong = async (body: object) => (await judge(body)).body.details.map((issue: any) => issue.path);
    expect(await wrong({})).toEqual(['score']);
    expect(await wrong({ criteria: [{ key: 'brevity', score: 1 }] })).toEqual(['criteria[0].key']);
    expect(
      await wrong({
        criteria: [
          { key: 'help', score: 1 },
          { key: 'help', score: 0 },
        ],
      }),
    ).toEqual(['criteria']);
    const strange = { ...input, criteria: [{ key: 'help', score: 2 }] };
    expect((await graphql(gateway, record, { input: strange })).errors![0]!.extensions.code).toBe('VALIDATION_FAILED');
    expect(await sessionOf(sid)).toMatchObject({ status: 'reviewed', tags: ['simulated', 'coach'] });
    const log = (await gateway.call('GET', `/api/v1/call-logs/${sid}`, { key: acme.key })).body;
    expect(log.evaluation_score).toBeCloseTo(0.7);
    await until(() => told(sid, 'voice.session.evaluated').length === 4, 'four events');
    expect(
      told(sid, 'voice.session.evaluated')
        .map(({ data }) => data.source)
        .toSorted(),
    ).toEqual(['api', 'human', 'model', 'rules']);
    expect(told(sid, 'voice.session.evaluated')[0]!.data).toMatchObject({
      voice_session_id: id,
      score: expect.any(Number),
      tags: expect.any(Array),
    });

    const calibration = async (query = '') =>
      (await gateway.call('GET', `/api/v1/evaluations/calibration?agent_key=front_desk${query}`, { key: acme.key }))
        .body;
    expect(await calibration()).toEqual({
      sessions: 1,
      tolerance: 0.2,
      agreement: 1,
      mean_difference: 0.2,
      mean_absolute_difference: 0.2,
      correlation: null,
      // The model said 0.9 of both; people 0.5 and 0.9 of the one, 0.9 of the other.
      by_criterion: [
        {
          key: 'help',
          sessions: 1,
          agreement: 1,
          mean_difference: 0.2,
          mean_absolute_difference: 0.2,
          correlation: null,
        },
        {
          key: 'politeness',
          sessions: 1,
          agreement: 1,
          mean_difference: 0,
          mean_absolute_difference: 0,
          correlation: null,
        },
      ],
    });
    expect(await calibration('&tolerance=0.1')).toMatchObject({
      agreement: 0,
      by_criterion: [{ agreement: 0 }, { agreement: 1 }],
    });
    expect(await calibration(`&agent_version_id=${globex.version.id}`)).toMatchObject({
      sessions: 0,
      agreement: null,
      by_criterion: [],
    });
    const { data } = (await gateway.call('GET', '/api/v1/evaluations/summary?agent_key=front_desk', { key: acme.key }))
      .body;
    expect(data).toMatchObject([{ agent_version_id: acme.version.id, version_number: 1, evaluations: 4, sessions: 1 }]);
    expect(data[0].by_source.find((each: any) => each.source === 'model')).toEqual({
      source: 'model',
      evaluations: 1,
      mean_score: 0.9,
    });
    expect(data[0].by_criterion).toContainEqual({ key: 'help', source: 'model', evaluations: 1, mean_score: 0.9 });
    expect(data[0].by_criterion).toContainEqual({ key: 'help', source: 'human', evaluations: 1, mean_score: 0.5 });
    const { agent } = await must(
      gateway,
      `{ agent(key: "front_desk") { calibration { sessions agreement byCriterion { key meanDifference } } evaluationSummaries { evaluations meanScore byCriterion { key } } } }`,
      {},
      acme.key,
    );
    expect(agent).toMatchObject({
      calibration: { sessions: 1, agreement: 1, byCriterion: [{ key: 'help', meanDifference: 0.2 }, {}] },
      evaluationSummaries: [{ evaluations: 4 }],
    });
    const foreign = await gateway.call('GET', '/api/v1/evaluations/summary?agent_key=front_desk&tenant_id=acme', {
      key: globex.key,
    });
    expect(foreign.status).toBe(404);
    const since = await gateway.call('GET', '/api/v1/evaluations/summary?agent_key=front_desk&since=2999-01-01', {
      key: acme.key,
    });
    expect(since.body.data).toEqual([]);
    expect(await calibration('&since=2999-01-01')).toMatchObject({ sessions: 0, agreement: null });
    // What was said of test calls says nothing of a version's customers.
    const em = gateway.database.database.em({ all: true });
    await em.nativeUpdate(Call, { callSid: sid }, { synthetic: true });
    expect(await calibration()).toMatchObject({ sessions: 0, by_criterion: [] });
    expect(
      (await gateway.call('GET', '/api/v1/evaluations/summary?agent_key=front_desk', { key: acme.key })).body.data,
    ).toEqual([]);
    await em.nativeUpdate(Call, { callSid: sid }, { synthetic: false });
  });

  it('a text model that refuses to judge is told to operators, and the rules still judge', async () => {
    gateway.model.textFaults.status = 400;
    const { sid: refused } = await call('+15555550328');
    const diagnostics = '/diagnostics?code=evaluation_refused&tenant_id=acme';
    const raised = await until(async () => (await gateway.admin('GET', diagnostics)).body.data[0], 'the diagnostic');
    expect(raised).toMatchObject({ severity: 'warning', action: expect.stringContaining('rubric'), resolved_at: null });
    expect(sourcesOf(await sessionOf(refused))).toEqual(['rules']);
    Object.assign(gateway.model.textFaults, noTextFaults());
  });

  it('a failed call that was judged stays failed, and is not waiting for a review any more', async () => {
    gateway.model.faults.refuseWith = 404;
    const { sid: failed } = await call('+15555550341');
    gateway.model.faults.refuseWith = null;
    const { id } = await until(async () => {
      const session = await sessionOf(failed);
      return session?.status === 'failed' && session;
    }, 'the failure');
    const waiting = async (reviewed: boolean) =>
      (
        await gateway.call('GET', `/api/v1/voice-sessions?status=failed&reviewed=${reviewed}`, { key: acme.key })
      ).body.data.map((session: any) => session.id);
    expect([await waiting(false), await waiting(true)]).toEqual([[id], []]);
    const judge = (score: number) =>
      gateway.call('POST', `/api/v1/voice-sessions/${id}/evaluations`, { key: acme.key, body: { score } });
    expect((await judge(0)).status).toBe(200);
    expect([await waiting(false), await waiting(true)]).toEqual([[], [id]]);
    const { status, reviewed_at: first } = await sessionOf(failed);
    expect([status, first]).toEqual(['failed', expect.any(String)]);
    await judge(0.1);
    expect((await sessionOf(failed)).reviewed_at).toBe(first);
    const query = `{ voiceSessions(filter: { reviewed: true, status: [FAILED] }) { edges { node { id reviewedAt } } } }`;
    expect((await must(gateway, query, {}, acme.key)).voiceSessions.edges).toEqual([
      { node: { id, reviewedAt: first } },
    ]);
  });

  it('nobody judges by itself without a rubric, or when the sample falls on no call', async () => {
    await gateway.admin('PUT', `/agents/${acme.agent.id}/rubric`, { ...RUBRIC, sample_rate: 0 });
    const [unsampled, without] = await Promise.all([call('+15555550331'), call('+15555550332', globex.number)]);
    for (const [one, key] of [
      [unsampled, acme.key],
      [without, globex.key],
    ] as const) {
      const session = await until(async () => {
        const now = await sessionOf(one.sid, key);
        return now?.summary !== null && now;
      }, 'the summary');
      expect(session).toMatchObject({ status: 'completed', evaluations: [], analysis: { attempts: 1 } });
    }
    await gateway.admin('DELETE', `/agents/${acme.agent.id}/rubric`);
    expect((await gateway.admin('GET', `/agents/${acme.agent.id}/rubric`)).status).toBe(404);
  });
});

describe('judgements', () => {
  const turns = [
    { index: 0, speaker: 'AGENT', text: 'Hello, how can I help you?' },
    { index: 1, speaker: 'CALLER', text: 'Where is my order — number 42?' },
  ] as Pick<Turn, 'index' | 'speaker' | 'text'>[];
  const rubric = [
    { key: 'politeness', description: 'Polite.', weight: 1 },
    { key: 'help', description: 'Helps.', weight: 3 },
  ];

  it('of a model quote only what was said, whatever the model answers', () => {
    const quote = fc.oneof(
      fc.constantFrom('how can I help you', 'Caller: where is my ORDER, number 42', 'I never said that', ''),
      fc.string(),
    );
    const criterion = fc.oneof(
      fc.record({
        score: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.double(), fc.string()),
        comment: fc.oneof(fc.string(), fc.anything()),
        quotes: fc.oneof(fc.array(quote), fc.anything()),
      }),
      fc.anything(),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.record({ c1: criterion, c2: criterion, notes: fc.anything(), tags: fc.anything() }), fc.anything()),
        (answer) => {
          let judgement;
          try {
            judgement = judgementOf(answer, rubric, turns);
          } catch (error) {
            expect(error).toBeInstanceOf(TextModelError);
            return;
          }
          expect(judgement.criteria.map(({ key }) => key)).toEqual(['politeness', 'help']);
          const quotes = judgement.criteria.flatMap((each) => each.quotes);
          expect(quotes.length).toBeGreaterThan(0);
          const plain = (text: string) =>
            text
              .toLowerCase()
              .replaceAll(/[^a-z0-9]+/g, ' ')
              .trim();
          for (const { turn, text } of quotes)
            expect(plain(turns[turn]!.text)).toContain(plain(text.replace(/^caller: /i, '')));
          const score = scoreOf(judgement.criteria)!;
          expect(score >= 0 && score <= 1).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of the rules lie between 0 and 1, and say of what happened what a person would count', () => {
    const turn = fc.record({
      index: fc.nat(),
      speaker: fc.constantFrom('AGENT' as const, 'CALLER' as const),
      text: fc.string(),
      interrupted: fc.boolean(),
      latencyMs: fc.option(fc.constantFrom(300, 2_000, 2_001, 9_000)),
    });
    const happened = fc.record({
      turns: fc.array(turn, { maxLength: 8 }),
      tools: fc.array(fc.constantFrom('SUCCEEDED' as const, 'FAILED' as const), { maxLength: 4 }),
      status: fc.constantFrom('COMPLETED' as const, 'FAILED' as const, 'REVIEWED' as const),
      escalated: fc.boolean(),
      intent: fc.constantFrom(null, 'order', 'billing'),
      intents: fc.constantFrom<string[]>([], ['order']),
      complaints: fc.nat({ max: 3 }),
      outcomes: fc.array(fc.constantFrom('resolved', 'something'), { maxLength: 2 }),
    });
    const shareOf = <T>(all: readonly T[], good: (one: T) => boolean) =>
      all.length === 0 ? undefined : all.filter(good).length / all.length;
    fc.assert(
      fc.property(happened, ({ turns: all, tools, status, escalated, intent, intents, complaints, outcomes }) => {
        const rule = { trigger: 'complaint', repeated: 2, action: 'transfer' as const, target: null, intents };
        const criteria = judgeByRules({
          session: { status, escalated, intent },
          version: { successSignals: ['resolved'], escalationRules: [rule] },
          turns: all,
          tools: tools.map((each) => ({ name: 'look_up', status: each })),
          outcomes,
          concerns: new Map([['complaint', complaints]]),
        });
        const score = scoreOf(criteria)!;
        expect(score >= 0 && score <= 1).toBe(true);
        const due = complaints >= 2 && (intents.length === 0 || intent === 'order');
        const answered = all.filter(({ latencyMs }) => latencyMs !== null);
        const expected = {
          success_signal: outcomes.includes('resolved') ? 1 : 0,
          escalation_rules_kept: due ? Number(escalated) : undefined,
          not_broken_off: status === 'FAILED' ? 0 : 1,
          tools_succeeded: shareOf(tools, (each) => each === 'SUCCEEDED'),
          answered_promptly: shareOf(answered, ({ latencyMs }) => latencyMs! <= 2_000),
          let_the_caller_speak: shareOf(
            all.filter(({ speaker }) => speaker === 'AGENT'),
            ({ interrupted }) => !interrupted,
          ),
        };
        const said = Object.fromEntries(criteria.map((each) => [each.key, each]));
        for (const [key, value] of Object.entries(expected))
          if (value === undefined) expect(said).not.toHaveProperty(key);
          else expect([key, said[key]!.score]).toEqual([key, expect.closeTo(value)]);
        // What was bad is quoted, at most three times.
        const late = answered.filter(({ latencyMs }) => latencyMs! > 2_000).map(({ index }) => index);
        expect(said.answered_promptly?.quotes.map((quote) => quote.turn) ?? []).toEqual(late.slice(0, 3));
      }),
      { numRuns: 300 },
    );
  });

  it('are drawn evenly, and the same each time', () => {
    const ids = Array.from({ length: 2_000 }, (_, i) => `session-${i}`);
    const drawn = ids.filter((id) => isSampled(id, 0.3));
    expect(drawn.length).toBeGreaterThan(500);
    expect(drawn.length).toBeLessThan(700);
    expect(drawn.every((id) => isSampled(id, 0.3) && isSampled(id, 0.9) && isSampled(id, 1))).toBe(true);
    expect(ids.some((id) => isSampled(id, 0))).toBe(false);
  });
});
