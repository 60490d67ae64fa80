import { expect, it } from 'vitest';
import { CarrierError, type Carrier } from '../ports/carrier.js';
import { besideSynthetic } from './synthetic-lines.js';
import { SYNTHETIC_ACCOUNT_SID } from './synthetic-account.js';

const asked: string[] = [];
/** A carrier that notes whatever it is asked. */
const real = new Proxy({} as Carrier, {
  get: (_target, method: string) => async () => void asked.push(method),
});
const synthetic = { accountSid: SYNTHETIC_ACCOUNT_SID, authToken: 'token' };
const refused = expect.objectContaining({ failure: 'rejected', status: 404 });
const dial = { to: '+1', from: '+2', url: '', fallbackUrl: '', statusCallback: '', timeoutSeconds: 1 };

it('asks no carrier about a synthetic call, whatever is asked', async () => {
  const carrier = besideSynthetic(real, null);
  await expect(carrier.createCall(synthetic, dial)).rejects.toEqual(refused);
  await expect(carrier.updateCall(synthetic, 'CA1', { status: 'completed' })).rejects.toBeInstanceOf(CarrierError);
  expect(await carrier.fetchCall(synthetic, 'CA1')).toBeNull();
  expect(await carrier.listCalls(synthetic, { to: '+1', since: new Date() })).toEqual([]);
  expect(await carrier.fetchNumber(synthetic, '+1')).toBeNull();
  await carrier.probe(synthetic);
  expect(asked).toEqual([]);
});

it('leads the line of a running one, and every other call to its carrier', async () => {
  const led: object[] = [];
  const caller = { update: (sid: string, update: object) => sid === 'CA1' && led.push(update) > 0 };
  const carrier = besideSynthetic(real, caller as never);
  expect(await carrier.updateCall(synthetic, 'CA1', { twiml: '<Response/>' })).toMatchObject({ status: 'in-progress' });
  await expect(carrier.updateCall(synthetic, 'CA2', { status: 'completed' })).rejects.toEqual(refused);
  await carrier.updateCall({ accountSid: 'AC1', authToken: '' }, 'CA1', { status: 'completed' });
  expect([led, asked]).toEqual([[{ twiml: '<Response/>' }], ['updateCall']]);
});
