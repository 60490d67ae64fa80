import { rmSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ScriptedCaller } from '../../src/simulators/carrier/caller.js';
import { buildConsole, openBrowser } from '../testkit/browser.js';
import { seedEndedSessions } from '../testkit/context.js';
import { seedCallable, startGateway, type TestGateway } from '../testkit/gateway.js';

const PASSWORD = 'correct horse';
let gateway: TestGateway;
let acme: Awaited<ReturnType<typeof seedCallable>>;
let files: string;
let browser: Browser;
beforeAll(async () => {
  files = await buildConsole();
  gateway = await startGateway({ env: { ADMIN_PASSWORD: PASSWORD }, overrides: { consoleFiles: files } });
  acme = await seedCallable(gateway, 'acme', '+15555551234', { intents: [{ name: 'order_status' }] });
  const criteria = [
    { key: 'politeness', description: 'Is it kind?', weight: 1 },
    { key: 'brevity', description: 'Is it brief?', weight: 1 },
  ];
  const rubric = { criteria, sample_rate: 0 };
  expect((await gateway.admin('PUT', `/agents/${acme.agent.id}/rubric`, rubric)).body).toMatchObject(rubric);
  await seedCallable(gateway, 'globex', '+15555559999');
  browser = await openBrowser();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  rmSync(files, { recursive: true, force: true });
});

/** A page of somebody new, whose failures are the test's. */
async function openConsole(): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => expect.fail(`the page failed: ${error.message}`));
  await page.goto(`${gateway.origin}/console`);
  return page;
}

async function withKey(key: string): Promise<Page> {
  const page = await openConsole();
  await page.getByRole('button', { name: 'Use a key' }).click();
  await page.getByLabel('Tenant or admin key').fill(key);
  await page.getByRole('button', { name: 'Log in' }).click();
  return page;
}

it('lets a supervisor follow a call, step in and end it', async () => {
  const page = await openConsole();
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page
    .getByRole('alert')
    .filter({ hasText: /password/i })
    .waitFor();
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Nobody is on the line').waitFor();

  const over = gateway.carrier.placeInboundCall({
    from: '+15555550142',
    to: acme.number,
    handset: new ScriptedCaller([
      { waitForAgent: 400 },
      { say: gateway.model.library.clip('order-status') },
      { pause: 60_000 },
    ]),
  });
  await page.getByRole('link', { name: '+15555550142' }).click();
  const conversation = page.getByRole('list', { name: 'Conversation' });
  await conversation.getByText('The caller wants: order status').waitFor();
  await page.getByRole('button', { name: 'Whisper to agent' }).click();
  await page.getByRole('textbox', { name: 'Whisper to agent' }).fill('Offer them Tuesday');
  await page.getByRole('form').getByRole('button', { name: 'Whisper to agent' }).click();
  await conversation.getByText('admin: whisper').waitFor();
  const transfer = page.getByRole('toolbar').getByRole('button', { name: 'Transfer' });
  await transfer.focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('nonsense');
  await page.keyboard.press('Enter');
  // The browser itself says what is wrong with it; nothing is asked for.
  await page.locator('input[name=to]:invalid').waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  await page.keyboard.press('Escape');
  await page.getByLabel('Phone number').waitFor({ state: 'detached' });
  await page.locator('button:focus', { hasText: 'Transfer' }).waitFor();
  await page.getByRole('button', { name: 'Mute agent' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('agent muted').waitFor();
  await page.locator('button:focus', { hasText: 'Unmute agent' }).waitFor();
  await page.getByRole('button', { name: 'Unmute agent' }).click();
  await page.getByText('agent muted').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'End call' }).click();
  await page.getByRole('form').getByRole('button', { name: 'End call' }).click();
  await conversation.getByText('Ended after').waitFor();
  await over;
  await page.getByText('Nobody is on the line').waitFor();

  await page.getByRole('link', { name: 'Review it' }).click();
  // What nobody judged is not recorded as judged.
  expect(await page.getByRole('button', { name: 'Record' }).isDisabled()).toBe(true);
  await page.getByRole('slider', { name: 'politeness' }).fill('0.35');
  await page.getByRole('textbox', { name: 'Notes' }).fill('Should have offered Wednesday');
  await page.getByRole('button', { name: 'Record' }).click();
  await page.getByRole('list', { name: 'Evaluations' }).getByText('Should have offered Wednesday').waitFor();
  const sessionId = new URL(page.url()).hash.split('/').at(-1);
  const { body } = await gateway.call('GET', `/api/v1/voice-sessions/${sessionId}/evaluations`, { key: acme.key });
  expect(body.data).toMatchObject([
    { criteria: [{ key: 'politeness', score: 0.35 }], source: 'human', notes: 'Should have offered Wednesday' },
  ]);
  await page.close();
}, 90_000);

it('shows people of a tenant nothing of another, and says when its session is refused', async () => {
  await gateway.carrier.placeInboundCall({
    from: '+15555550777',
    to: '+15555559999',
    handset: new ScriptedCaller([{ waitForAgent: 300 }, { hangUp: true }]),
  });
  const created = await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'floor' });
  const page = await withKey('tl_live_unknown');
  await page.getByRole('alert').filter({ hasText: 'unknown' }).waitFor();
  await page.getByLabel('Tenant or admin key').fill(created.body.key);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Nobody is on the line').waitFor();
  expect(await page.getByRole('combobox', { name: 'Tenant' }).count()).toBe(0);
  await page.getByRole('link', { name: 'Review', exact: true }).click();
  await page.getByRole('button', { name: 'Reviewed', exact: true }).click();
  await page.getByRole('link', { name: '+15555550142' }).waitFor();
  await page.getByRole('button', { name: 'Not reviewed' }).click();
  await page.getByText('No such calls.').waitFor();
  expect((await gateway.admin('DELETE', `/tenants/acme/api-keys/${created.body.id}`)).status).toBe(200);
  await page.getByText('The gateway refuses this session').waitFor();
  await page.close();
}, 60_000);

it('lets an operator work off callbacks and alerts', async () => {
  const due = new Date(Date.now() - 60_000).toISOString();
  const task = { number: '+15555550188', reason: 'Wants an offer', due_at: due, sla_due_at: due };
  expect((await gateway.call('POST', '/api/v1/callbacks', { key: acme.key, body: task })).status).toBe(200);
  await gateway.call('POST', '/api/v1/incoming-call', { body: 'To=%2B15555551234', headers: FORM });
  const page = await openConsole();
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'Callbacks' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Wants an offer' }).getByText(/ago/).waitFor();
  await page.getByRole('button', { name: 'Promise broken' }).click();
  await page.getByText('Wants an offer').waitFor();
  await page.getByRole('button', { name: 'Claim' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('Nobody waits longer than was promised.').waitFor();
  await page.getByRole('button', { name: 'Closed' }).click();
  await page.getByText('Wants an offer').waitFor();

  await page.getByRole('link', { name: 'Alerts' }).click();
  const alerts = page.getByRole('region', { name: 'Open alerts' }).getByRole('listitem');
  await alerts.first().waitFor();
  const open = await alerts.count();
  await alerts.first().getByRole('button', { name: 'Resolved' }).click();
  await expect.poll(() => alerts.count()).toBe(open - 1);
  await page.close();
}, 60_000);

it('shows long lists page by page', async () => {
  await seedEndedSessions(gateway.database.database, 'globex', 51);
  const created = await gateway.admin('POST', '/tenants/globex/api-keys', { name: 'floor' });
  const asked = Array.from({ length: 51 }, (_, i) => ({ number: '+15555550188', reason: `Wants offer ${i}.` }));
  for (const body of asked)
    expect((await gateway.call('POST', '/api/v1/callbacks', { key: created.body.key, body })).status).toBe(200);
  const page = await withKey(created.body.key);
  const more = page.getByRole('button', { name: 'Show more' });
  await page.getByRole('link', { name: 'Review', exact: true }).click();
  const calls = page.getByRole('region', { name: 'Ended calls' }).getByRole('listitem');
  await expect.poll(() => calls.count()).toBe(50);
  await more.click();
  await expect.poll(() => calls.count()).toBeGreaterThan(50);
  await more.waitFor({ state: 'detached' });
  // The most urgent callback is on the last page, and has to be seen first.
  await page.getByRole('link', { name: 'Callbacks' }).click();
  const tasks = page.getByRole('region', { name: 'Callbacks' }).getByRole('listitem');
  await tasks.first().getByText('Wants offer 0.').waitFor();
  expect(await tasks.count()).toBe(51);
  // What was known stays while the gateway cannot be asked.
  await page.route('**/graphql', (route) => route.abort());
  const problem = page.getByRole('alert').filter({ hasText: 'The gateway cannot be reached' });
  await problem.waitFor();
  expect(await tasks.count()).toBe(51);
  await page.unroute('**/graphql');
  await problem.waitFor({ state: 'detached' });
  await page.close();
}, 60_000);

it('serves a key of few scopes with what it may see, and says what it may not', async () => {
  const scopes = ['live:read', 'sessions:read'];
  const created = await gateway.admin('POST', '/tenants/acme/api-keys', { name: 'wallboard', scopes });
  const over = gateway.carrier.placeInboundCall({
    from: '+15555550143',
    to: acme.number,
    handset: new ScriptedCaller([{ waitForAgent: 400 }, { pause: 60_000 }]),
  });
  const page = await withKey(created.body.key);
  await page.getByRole('link', { name: 'number not shown' }).click();
  const conversation = page.getByRole('list', { name: 'Conversation' });
  await conversation.getByText('Hello, how can I help you?').waitFor();
  await page.getByRole('button', { name: 'Listen' }).click();
  await page.getByRole('button', { name: 'Stop listening' }).waitFor();
  await page.getByText('it does not step in').waitFor();
  expect(await page.getByRole('toolbar').count()).toBe(0);
  gateway.carrier.calls.at(-1)!.hangUp();
  await over;
  await page.getByRole('link', { name: 'Review it' }).click();
  await conversation.getByText('Ended after').waitFor();
  await page.getByText('it does not judge them').waitFor();
  for (const screen of ['Callbacks', 'Alerts']) {
    await page.getByRole('link', { name: screen }).click();
    await page.getByText(`does not show ${screen.toLowerCase()}: it lacks operations:read`).waitFor();
  }
  expect(await page.getByRole('alert').count()).toBe(0);
  await page.close();
}, 60_000);

it('leaves a narrow screen to the call that is open', async () => {
  const page = await openConsole();
  await page.setViewportSize({ width: 420, height: 800 });
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'Review', exact: true }).click();
  await page.getByRole('button', { name: 'Reviewed', exact: true }).click();
  const row = page.getByRole('link', { name: '+15555550142' });
  await row.click();
  const conversation = page.getByRole('list', { name: 'Conversation' });
  await conversation.getByText('The conversation begins').waitFor();
  expect((await conversation.boundingBox())!.height).toBeGreaterThan(200);
  expect(await row.isVisible()).toBe(false);
  await page.getByRole('link', { name: 'All calls' }).click();
  await row.waitFor();
  await page.close();
}, 60_000);

const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'forged' };
