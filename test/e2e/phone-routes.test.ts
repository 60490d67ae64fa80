import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScriptedCaller } from '../../src/simulators/carrier/caller.js';
import { ACCOUNT, seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';
import { graphql, must } from '../testkit/graphql.js';

let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await seedCallable(gateway);
});
afterAll(() => gateway.stop());

describe('a phone route', () => {
  it('is found by its id and by its number, through both doors', async () => {
    const query = `query ($id: ID, $number: PhoneNumber) { phoneRoute(id: $id, number: $number) { id number } }`;
    const { id, number } = acme.route;
    for (const by of [{ id }, { number }])
      expect((await must(gateway, query, by, acme.key)).phoneRoute).toEqual({ id, number });
    for (const by of [{}, { id: 'x' }, { number: '+15555550000' }])
      expect((await must(gateway, query, by)).phoneRoute).toBeNull();
    const listed = async (search: string) => (await gateway.admin('GET', `/phone-routes?${search}`)).body.total;
    expect(await listed(`number=${encodeURIComponent(number)}`)).toBe(1);
    expect(await listed('number=%2B15555550000')).toBe(0);
  });

  it('is the default one alone, and calls out when nobody says from where', async () => {
    const route = async (number: string, more: object = {}) => {
      const body = { tenant_id: 'acme', number, agent_key: 'front_desk', direction: 'outbound', ...more };
      const made = (await gateway.admin('POST', '/phone-routes', body)).body;
      gateway.carrier.numbers.set(number, gateway.carrier.numbers.get(acme.number)!);
      return made.id as string;
    };
    const ids = [await route('+15555554001', { is_default: true }), await route('+15555554002', { is_default: true })];
    const defaults = async () =>
      (await gateway.admin('GET', '/phone-routes?tenant_id=acme')).body.data
        .filter((row: any) => row.is_default)
        .map((row: any) => row.id);
    const dialledFrom = async (to: string) =>
      (await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to } })).body.from;
    expect(await defaults()).toEqual([ids[1]]);
    expect(await dialledFrom('+15555550401')).toBe('+15555554002');
    await gateway.admin('PATCH', `/phone-routes/${ids[0]}`, { is_default: true });
    expect(await defaults()).toEqual([ids[0]]);
    expect(await dialledFrom('+15555550402')).toBe('+15555554001');
    const config = (from_number: string | null) =>
      gateway.admin('PUT', '/tenants/acme/runtime-config', { telephony: { from_number } });
    expect((await config('+15555554002')).body.warnings).toEqual([]);
    expect(await dialledFrom('+15555550403')).toBe('+15555554002');
    for (const id of ids) await gateway.admin('DELETE', `/phone-routes/${id}`);
    const refused = await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body: { to: '+15555550404' } });
    expect(refused.body.error).toContain('telephony.from_number of the runtime config (+15555554002)');
    await config(null);
  });

  it('keeps a pinned version while it is its agent’s, and takes none of another agent', async () => {
    const other = (await gateway.admin('POST', '/agents', { tenant_id: 'acme', key: 'night' })).body;
    const change = async (body: object) => {
      const answer = await gateway.admin('PATCH', `/phone-routes/${acme.route.id}`, body);
      return [answer.status, answer.body.agent_version_id];
    };
    expect(await change({ agent_version_id: acme.version.id })).toEqual([200, acme.version.id]);
    expect(await change({ transfer_number: '+15555550100' })).toEqual([200, acme.version.id]);
    expect(await change({ agent_key: 'night' })).toEqual([200, null]);
    expect(await change({ agent_version_id: acme.version.id })).toEqual([404, undefined]);
    expect(await change({ agent_id: other.id, agent_key: 'front_desk' })).toEqual([404, undefined]);
    expect(await change({ agent_key: 'front_desk' })).toEqual([200, null]);
  });

  it('that pins a version gives it the calls of its number, but neither those for a named agent nor those of closed hours', async () => {
    const done = async (method: string, path: string, body?: object) => {
      const answer = await gateway.admin(method, path, body);
      expect([answer.status, answer.body.error]).toEqual([200, undefined]);
      return answer.body;
    };
    const publish = async (agentId: string) => {
      const { id } = await done('POST', `/agents/${agentId}/versions`, { prompt: 'Be brief.' });
      return (await done('POST', `/agent-versions/${id}/publish`, { force: true, reason: 'A test.' })).id as string;
    };
    const route = (body: object) => done('PATCH', `/phone-routes/${acme.route.id}`, body);
    await route({ agent_version_id: acme.version.id });
    const newer = await publish(acme.agent.id);
    const evening = await publish((await done('POST', '/agents', { tenant_id: 'acme', key: 'evening' })).id);
    const versionOf = async (id: string) =>
      (await gateway.call('GET', `/api/v1/call-logs/${id}`, { key: acme.key })).body.agent_version_id;
    const dialled = async (body: object) =>
      versionOf((await gateway.call('POST', '/api/v1/make-call', { key: acme.key, body })).body.call_id);
    const received = async (from: string) => {
      const handset = new ScriptedCaller([{ hangUp: true }]);
      return versionOf((await gateway.carrier.placeInboundCall({ from, to: acme.number, handset })).sid);
    };
    expect(await dialled({ to: '+15555550411' })).toBe(acme.version.id);
    expect(await dialled({ to: '+15555550412', agent_key: 'front_desk' })).toBe(newer);
    expect(await received('+15555550413')).toBe(acme.version.id);
    await route({ business_hours: { windows: [], outside: { action: 'agent', target: 'evening' } } });
    expect(await received('+15555550414')).toBe(evening);
    await route({ business_hours: null, agent_version_id: null });
    expect(await received('+15555550415')).toBe(newer);
  });

  describe('that is verified', () => {
    const voiceUrl = () => `${gateway.app.publicUrl}/api/v1/incoming-call`;
    const fallbackUrl = () => `${gateway.app.publicUrl}/api/v1/fallback-call`;
    const MUTATION = `mutation ($id: ID!) { verifyPhoneRoute(id: $id) {
      ok problems expectedVoiceUrl found { voiceUrl voiceMethod voiceFallbackUrl voiceApplicationSid trunkSid } } }`;
    const rest = () => gateway.admin('POST', `/phone-routes/${acme.route.id}/verify`);
    const set = (change: object) =>
      gateway.carrier.numbers.set(acme.number, {
        accountSid: ACCOUNT.accountSid,
        voiceUrl: voiceUrl(),
        fallbackUrl: fallbackUrl(),
        statusCallback: null,
        ...change,
      });

    it.each([
      ['points here', () => ({}), []],
      ['points elsewhere', () => ({ voiceUrl: 'https://old.example/' }), [/"A call comes in" to .*incoming-call/]],
      ['has no fallback', () => ({ fallbackUrl: null }), [/"Primary handler fails" to .*fallback-call/]],
      ['belongs to a SIP trunk', () => ({ trunkSid: `TK${'1'.repeat(32)}` }), [/SIP trunk TK1/]],
      ['is given to a TwiML App', () => ({ applicationSid: `AP${'1'.repeat(32)}` }), [/TwiML App AP1/]],
      ['is of another account', () => ({ accountSid: `AC${'9'.repeat(32)}` }), [/does not own this number/]],
    ])('says so when the number %s', async (_, change, problems) => {
      set(change());
      const { verifyPhoneRoute: verified } = await must(gateway, MUTATION, { id: acme.route.id });
      expect(verified.problems).toHaveLength(problems.length);
      problems.forEach((problem, i) => expect(verified.problems[i]).toMatch(problem));
      expect(verified).toMatchObject({ ok: problems.length === 0, expectedVoiceUrl: voiceUrl() });
      const { status, body } = await rest();
      expect([status, body.verified, body.problems]).toEqual([200, verified.ok, verified.problems]);
      expect(body.found?.voice_url).toBe(verified.found?.voiceUrl);
    });

    it('tells a carrier that refuses from one that does not answer', async () => {
      const token = gateway.carrier.tokens.get(ACCOUNT.accountSid)!;
      gateway.carrier.tokens.set(ACCOUNT.accountSid, 'another-token');
      expect((await graphql(gateway, MUTATION, { id: acme.route.id })).errors![0]!.extensions.code).toBe(
        'CARRIER_REJECTED',
      );
      expect(await rest()).toMatchObject({ status: 422, body: { code: 'CARRIER_REJECTED', retryable: false } });
      gateway.carrier.tokens.set(ACCOUNT.accountSid, token);
      gateway.carrier.faults.fetch = 503;
      expect(await rest()).toMatchObject({ status: 503, body: { code: 'CARRIER_UNAVAILABLE', retryable: true } });
      gateway.carrier.faults.fetch = null;
    });
  });
});
