import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../testkit/gateway.js';
import { socketClient } from '../testkit/graphql.js';

const PUBLIC = 'https://voice.example.com';
const password = 'correct horse battery staple';
let gateway: TestGateway;
let cookie: string;
beforeAll(async () => {
  const ADMIN_PASSWORD_SHA256 = createHash('sha256').update(password).digest('hex');
  gateway = await startGateway({ env: { ADMIN_PASSWORD_SHA256, ADMIN_USERNAME: 'ada', PUBLIC_URL: PUBLIC } });
  const login = await gateway.call('POST', '/api/v1/admin/session', { body: { username: 'ada', password } });
  cookie = login.headers.get('set-cookie')!.split(';', 1)[0]!;
});
afterAll(() => gateway.stop());

/** A browser sends the cookie by itself, whoever's page asks. */
describe('the console’s cookie', () => {
  const change = `mutation { createTenant(input: { id: "acme-${Date.now()}", name: "x" }) { name } }`;
  const overHttp = async (headers: Record<string, string>) => {
    const { body } = await gateway.call('POST', '/graphql', {
      body: { query: change },
      headers: { cookie, ...headers },
    });
    return body.errors?.[0]?.extensions.code ?? 'done';
  };
  const overSocket = async (origin: string) => {
    const webSocketImpl = class extends WebSocket {
      constructor(url: string, protocols: string) {
        super(url, protocols, { headers: { cookie, origin } });
      }
    };
    const { client, closed } = socketClient(gateway, undefined, { webSocketImpl });
    const viewer = (async () => {
      for await (const { data } of client.iterate<any>({ query: '{ viewer { name } }' })) return data.viewer.name;
    })();
    const told = await Promise.race([viewer.catch(() => closed), closed]);
    await client.dispose();
    return told;
  };
  const overAudio = (origin: string) =>
    new Promise<number>((resolve) => {
      const url = `${gateway.origin.replace('http', 'ws')}/api/v1/live-audio?call_id=nobody`;
      new WebSocket(url, { headers: { cookie, origin } }).on('close', resolve).on('open', function (this: WebSocket) {
        // Without a credential in the headers it is awaited as the first message.
        this.send(JSON.stringify({ nothing: true }));
      });
    });

  it.each([
    ['of this server', () => gateway.origin],
    ['where browsers see it, behind a proxy', () => PUBLIC],
  ])('opens every door to a page %s', async (_, origin) => {
    await gateway.database.database.em({ all: true }).execute('delete from tenant');
    expect(await overHttp({ origin: origin() })).toBe('done');
    expect(await overSocket(origin())).toBe('ada');
    // Known, and looking for a call that is not there.
    expect(await overAudio(origin())).toBe(4404);
  });

  it.each(['https://evil.example', 'null', 'http://voice.example.com', 'https://voice.example.com.evil.example'])(
    'opens none to a page of %s',
    async (origin) => {
      expect(await overHttp({ origin })).toBe('UNAUTHENTICATED');
      expect(await overSocket(origin)).toBe(4403);
      expect(await overAudio(origin)).toBe(4401);
    },
  );

  it('changes nothing by a form, which needs no leave of the browser', async () => {
    const response = await fetch(`${gateway.origin}/graphql?query=${encodeURIComponent(change)}`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'text/plain' },
      body: JSON.stringify({ query: change }),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
  });
});
