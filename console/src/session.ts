/** Who looks at the console: somebody with its cookie, or whoever holds a key. */
export type Session = { kind: 'password'; name: string } | { kind: 'key'; header: Header; value: string };
type Header = 'authorization' | 'x-admin-key';

const SESSION_URL = '/api/v1/admin/session';
const STORED_KEY = 'trunkline.key';

/** A tenant's keys begin with it; any other key is an admin's. */
const TENANT_KEY = /^tl_/;

/** Keys live as long as the tab; a password's session lives in a cookie that scripts cannot read. Null: nobody. */
export async function currentSession(): Promise<Session | null> {
  const stored = sessionStorage.getItem(STORED_KEY);
  if (stored !== null) return keySession(stored);
  const answer = await fetch(SESSION_URL);
  return answer.ok ? { kind: 'password', name: ((await answer.json()) as { name: string }).name } : null;
}

export async function logIn(username: string, password: string): Promise<Session> {
  const answer = await fetch(SESSION_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  if (answer.status === 404) throw new Error('This gateway has no console password. Use a key.');
  const body = (await answer.json()) as { name: string; error?: string; message?: string };
  if (!answer.ok) throw new Error(body.message ?? body.error ?? `The gateway answered ${answer.status}`);
  return { kind: 'password', name: body.name };
}

/** `refusalOf`: what the gateway says against it, which is thrown; null: nothing. */
export async function logInWithKey(
  key: string,
  refusalOf: (session: Session) => Promise<string | null>,
): Promise<Session> {
  const session = keySession(key);
  const refusal = await refusalOf(session);
  if (refusal !== null) throw new Error(refusal);
  sessionStorage.setItem(STORED_KEY, key);
  return session;
}

export async function logOut(session: Session): Promise<void> {
  sessionStorage.removeItem(STORED_KEY);
  if (session.kind === 'password') await fetch(SESSION_URL, { method: 'DELETE' });
}

/** What proves the session where a cookie does not: HTTP headers, and `connection_init` of a WebSocket. */
export function credentials(session: Session): Record<string, string> {
  return session.kind === 'key' ? { [session.header]: session.value } : {};
}

function keySession(key: string): Session {
  return TENANT_KEY.test(key)
    ? { kind: 'key', header: 'authorization', value: `Bearer ${key}` }
    : { kind: 'key', header: 'x-admin-key', value: key };
}
