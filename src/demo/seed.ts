import type { App } from '../app.js';
import { SIMULATED_ACCOUNT_SID } from '../app/simulation.js';
import type { Viewer } from '../services/viewer.js';
import type { CarrierSimulator } from '../simulators/carrier/server.js';

export interface DemoTenant {
  tenantId: string;
  number: string;
  /** The application's API key. */
  key: string;
  viewer: Viewer;
}

const NUMBER = '+15555551234';

/** A sandbox tenant with a published receptionist behind a number, made through the admin API like anybody would. */
export async function seedDemo(
  app: App,
  origin: string,
  adminKey: string,
  carrier: Pick<CarrierSimulator, 'numbers'>,
): Promise<DemoTenant> {
  const send = async (method: string, path: string, body: object): Promise<Record<string, string>> => {
    const response = await fetch(`${origin}/api/v1/admin${path}`, {
      method,
      headers: { 'x-admin-key': adminKey, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Record<string, string>;
  };
  const tenantId = 'acme';
  await send('POST', '/tenants', { id: tenantId, name: 'Acme', sandbox: true, time_zone: 'America/New_York' });
  const prompt = await send('POST', '/prompts', {
    tenant_id: tenantId,
    key: 'front_desk_v1',
    name: 'Front desk',
    text: 'You are the friendly front desk of {{company}}. Be brief.',
    variables: ['company'],
  });
  await send('POST', `/prompts/${prompt.id}/publish`, { revision: 1 });
  await send('PUT', `/tenants/${tenantId}/runtime-config`, {
    model: 'gpt-realtime',
    voice: 'alloy',
    system_prompt_key: 'front_desk_v1',
  });
  const agent = await send('POST', '/agents', { tenant_id: tenantId, key: 'front_desk', name: 'Front desk' });
  const version = await send('POST', `/agents/${agent.id}/versions`, {
    prompt_key: 'front_desk_v1',
    prompt_variables: { company: 'Acme' },
    greeting: 'Hello, this is Acme. How can I help you?',
    intents: [{ name: 'order_status' }, { name: 'appointment_confirmation' }],
    success_signals: ['resolved', 'transferred', 'callback_created', 'no_answer', 'failed_authentication'],
  });
  await send('POST', `/agent-versions/${version.id}/publish`, {
    force: true,
    reason: 'The demo shows calls at once; its launch report says what a real launch still needs.',
  });
  await send('POST', '/phone-routes', { tenant_id: tenantId, number: NUMBER, agent_key: 'front_desk' });
  const { key } = await send('POST', `/tenants/${tenantId}/api-keys`, { name: 'demo', environment: 'test' });
  carrier.numbers.set(NUMBER, {
    accountSid: SIMULATED_ACCOUNT_SID,
    voiceUrl: `${app.publicUrl}/api/v1/incoming-call`,
    fallbackUrl: `${app.publicUrl}/api/v1/fallback-call`,
    statusCallback: `${app.publicUrl}/api/v1/call-status`,
  });
  const viewer = await app.services.viewers.authenticate(
    { authorization: `Bearer ${key}` },
    { requestId: null, address: null },
  );
  return { tenantId, number: NUMBER, key: key!, viewer };
}
