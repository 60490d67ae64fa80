import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
