import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ScriptedCaller, type Step } from '../src/simulators/carrier/caller.js';
import { seedCallable, startGateway, type TestGateway } from './testkit/gateway.js';
import { must } from './testkit/graphql.js';
import { until } from './testkit/until.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway({
    env: { TEXT_MODEL: 'simulated-text' },
    overrides: { timing: { circuitCoolDownMs: 100, providerProbeMs: 1_500 } },
  });
  acme = await seedCallable(gateway, 'acme', '+15555551234', {
    fallback: { action: 'message', message: 'Nobody can talk right now', target: null },
  });
});
afterAll(() => gateway.stop());

type Component = 'CARRIER_API' | 'REALTIME_MODEL' | 'TEXT_MODEL';
const health = async (component: Component) => {
  const { providerHealth } = await must(
    gateway,
    `{ providerHealth { provider component status circuit requests failures errorRate lastError openUntil lastSuccessAt latencyP95Ms } }`,
  );
  return providerHealth.find((row: { component: Component }) => row.component === component);
};
const dial = (to: string, headers = {}) =>
  gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to }, headers });
const inbound = (from: string, ...steps: Step[]) =>
  gateway.carrier.placeInboundCall({
    from,
    to: acme.number,
    handset: new ScriptedCaller(steps),
  });
const diagnostics = async (code: string, resolved: boolean) =>
  (await gateway.admin('GET', `/diagnostics?code=${code}&resolved=${resolved}`)).body.data;

describe('the health of the providers', () => {
  it('is known from light probes before anybody calls', async () => {
    for (const component of ['CARRIER_API', 'REALTIME_MODEL', 'TEXT_MODEL'] as const)
      expect(
        await until(async () => (await health(component)).status === 'UP' && health(component), component),
      ).toMatchObject({
        provider: component === 'CARRIER_API' ? 'TWILIO' : 'OPENAI',
        circuit: 'CLOSED',
        failures: 0,
        errorRate: 0,
        latencyP95Ms: expect.any(Number),
      });
    expect(gateway.model.violations).toEqual([]);
    const { body } = await gateway.admin('GET', '/provider-health');
    expect(body.data.map((row: { provider: string }) => row.provider)).toEqual(['twilio', 'openai', 'openai']);
  });

  it('sends callers to the fallback while the model is down, dials nobody, and mends by itself', async () => {
    gateway.model.faults.refuseWith = 503;
    // The first caller finds out: the bridge tries in vain, and the circuit opens meanwhile.
    const first = inbound('+15555550321', { pause: 20_000 }, { hangUp: true });
    await until(async () => (await health('REALTIME_MODEL')).status === 'DOWN', 'the circuit to open');
    expect(await health('REALTIME_MODEL')).toMatchObject({ lastError: 'http_503' });
    expect((await diagnostics('provider_down.realtime_model', false))[0]).toMatchObject({ severity: 'critical' });

    // The next hear it at once, without a media stream.
    const next = await inbound('+15555550322', { pause: 120_000 });
    expect(next).toMatchObject({ said: ['Nobody can talk right now'], streams: [], badAnswers: [] });
    const calls = (await gateway.call('GET', '/api/v1/call-logs?limit=1', { key: acme.key })).body.data;
    expect(calls[0]).toMatchObject({ call_sid: next.sid, error_code: 'model_down', voice_session_id: null });
    const before = gateway.carrier.createRequests;
    const refused = await dial('+15555550400', { 'idempotency-key': 'order-1' });
    expect(refused).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE', retryable: true } });
    expect(refused.body.error).toMatch(/speech model/);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(gateway.carrier.createRequests).toBe(before);
    // A provider that is down takes no replica out of service: callers still get their fallback from it.
    expect((await gateway.call('GET', '/health/ready')).status).toBe(200);

    gateway.model.faults.refuseWith = null;
    await until(async () => (await health('REALTIME_MODEL')).circuit === 'CLOSED', 'the circuit to close');
    expect(
      await until(async () => (await diagnostics('provider_down.realtime_model', true))[0], 'the settled diagnostic'),
    ).toBeTruthy();
    // The key was not used up by the refusal.
    const dialled = await dial('+15555550400', { 'idempotency-key': 'order-1' });
    expect(dialled).toMatchObject({ status: 200, body: { ok: true, duplicate: false } });
    const after = await inbound('+15555550323', { waitForAgent: 400 }, { hangUp: true });
    expect(after.streams).toHaveLength(1);
    expect(after.said).toEqual([]);
    await first;
  }, 60_000);

  it('is bad when the model takes every connection and says nothing, until it speaks again', async () => {
    const says = (line: string) => (call: { said: readonly string[] }) => call.said.includes(line);
    gateway.model.faults.failResponses = { type: 'insufficient_quota', code: 'insufficient_quota' };
    const first = await inbound('+15555550341', { pause: 120_000 });
    expect(says('Nobody can talk right now')(first)).toBe(true);
    await until(async () => (await health('REALTIME_MODEL')).status === 'DOWN', 'the circuit to open');
    expect(await health('REALTIME_MODEL')).toMatchObject({ lastError: 'insufficient_quota' });
    expect(
      (await until(() => diagnostics('provider_down.realtime_model', false).then(([row]) => row))).detail,
    ).toMatchObject({ last_error: 'insufficient_quota' });
    // Probes connect, ask for a word, and do not take the connection for an answer.
    const sessions = gateway.model.sessions.length;
    await until(() => gateway.model.sessions.length >= sessions + 2, 'trials in vain');
    expect((await health('REALTIME_MODEL')).status).toBe('DOWN');
    const next = await inbound('+15555550342', { pause: 120_000 });
    expect(next).toMatchObject({ said: ['Nobody can talk right now'], streams: [] });
    expect(await dial('+15555550401')).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    gateway.model.faults.failResponses = null;
    await until(async () => (await health('REALTIME_MODEL')).circuit === 'CLOSED', 'the circuit to close');
    const after = await inbound('+15555550343', { waitForAgent: 400 }, { hangUp: true });
    expect([after.streams.length, after.said]).toEqual([1, []]);
    expect(gateway.model.violations).toEqual([]);
  }, 60_000);

  it('is not spoilt by responses that fail because of what was asked', async () => {
    gateway.model.faults.failResponses = { type: 'invalid_request_error', code: 'invalid_value' };
    for (const from of ['+15555550351', '+15555550352']) {
      const call = await inbound(from, { pause: 120_000 });
      expect([call.streams.length, call.said]).toEqual([1, ['Nobody can talk right now']]);
    }
    gateway.model.faults.failResponses = null;
    expect(await health('REALTIME_MODEL')).toMatchObject({ circuit: 'CLOSED' });
  });

  it('is not spoilt by one version that names a model which does not exist', async () => {
    gateway.model.faults.refuseWith = 404;
    const callers = ['+15555550331', '+15555550332', '+15555550333', '+15555550334'];
    await Promise.all(callers.map((from) => inbound(from, { pause: 120_000 })));
    expect(await health('REALTIME_MODEL')).toMatchObject({ circuit: 'CLOSED' });
    gateway.model.faults.refuseWith = null;
  });

  it('is not spoilt by numbers that Twilio refuses', async () => {
    gateway.carrier.faults.createCall = 400;
    for (const to of ['+15555550431', '+15555550432', '+15555550433', '+15555550434'])
      expect((await dial(to)).body.code).toBe('CARRIER_REJECTED');
    gateway.carrier.faults.createCall = null;
    expect(await health('CARRIER_API')).toMatchObject({ circuit: 'CLOSED' });
    expect((await dial('+15555550435')).status).toBe(200);
  });

  it('refuses to dial while Twilio does not answer, instead of leaving calls in doubt', async () => {
    gateway.carrier.faults.createCall = 503;
    gateway.carrier.faults.fetch = 503;
    for (const to of ['+15555550411', '+15555550412', '+15555550413']) await dial(to);
    await until(async () => (await health('CARRIER_API')).status === 'DOWN', 'the circuit to open');
    const before = gateway.carrier.createRequests;
    expect(await dial('+15555550414')).toMatchObject({ status: 503, body: { code: 'CARRIER_UNAVAILABLE' } });
    expect(gateway.carrier.createRequests).toBe(before);
    gateway.carrier.faults.createCall = null;
    gateway.carrier.faults.fetch = null;
    await until(async () => (await health('CARRIER_API')).circuit === 'CLOSED', 'the circuit to close');
    expect((await dial('+15555550415')).status).toBe(200);
  });

  it('hears of the text model too, which stops no call', async () => {
    gateway.model.textFaults.status = 500;
    await until(async () => (await health('TEXT_MODEL')).status === 'DOWN', 'the circuit to open');
    expect(await health('TEXT_MODEL')).toMatchObject({ lastError: 'http_500' });
    expect((await dial('+15555550421')).status).toBe(200);
    gateway.model.textFaults.status = null;
    await until(async () => (await health('TEXT_MODEL')).circuit === 'CLOSED', 'the circuit to close');
  });
});

describe('what watches the gateway', () => {
  /** Names as `/metrics` shows them, histograms with all that a query may name. */
  const exposed = async () => {
    const { body } = await gateway.call('GET', '/metrics');
    return new Set(
      [...(body as string).matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
      ),
    );
  };
  const named = (text: string) => [...text.matchAll(/\btrunkline_\w+/g)].map(([name]) => name);
  const rules = () => parse(readFileSync('ops/rules.yml', 'utf8')) as { groups: { rules: Record<string, any>[] }[] };
  const dashboards = () =>
    readdirSync('ops/grafana')
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(`ops/grafana/${file}`, 'utf8')));

  it('asks for metrics that exist', async () => {
    const known = await exposed();
    const alerts = rules().groups.flatMap((group) => group.rules);
    const panels = dashboards().flatMap((dashboard) => dashboard.panels);
    const expressions = [
      ...alerts.map((rule) => rule.expr as string),
      ...panels.flatMap((panel: any) => (panel.targets ?? []).map((target: any) => target.expr as string)),
    ];
    expect(expressions.length).toBeGreaterThan(20);
    expect(expressions.flatMap(named).filter((name) => !known.has(name))).toEqual([]);
    expect(expressions.filter((expression) => named(expression).length === 0 && !expression.includes('up{'))).toEqual(
      [],
    );
  });

  it('explains every alert, and shows what the provisioned data source gives', () => {
    for (const rule of rules().groups.flatMap((group) => group.rules))
      expect(rule).toMatchObject({
        alert: expect.stringMatching(/^Trunkline/),
        labels: { severity: expect.stringMatching(/^(critical|warning)$/) },
        annotations: { summary: expect.any(String), description: expect.any(String) },
      });
    const source = parse(readFileSync('ops/grafana/provisioning/datasources/prometheus.yml', 'utf8')).datasources[0]
      .uid;
    const [dashboard] = dashboards();
    expect(dashboard.uid).toBe('trunkline');
    for (const panel of dashboard.panels.filter((each: any) => each.type !== 'row')) {
      expect(panel.datasource).toEqual({ type: 'prometheus', uid: source });
      expect(panel.description ?? panel.title).toBeTruthy();
    }
    const scrape = parse(readFileSync('ops/prometheus.yml', 'utf8'));
    expect(scrape.rule_files).toEqual(['/etc/prometheus/rules*.yml']);
  });
});
