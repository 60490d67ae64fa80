import type { IncomingHttpHeaders } from 'node:http';
import type { Credentials } from './viewers.js';

/** The console's cookie. */
export const ADMIN_SESSION_COOKIE = 'trunkline_admin';

/** What a request or a WebSocket upgrade shows; null: nothing at all. `publicUrl`: where browsers see this server. */
export function credentialsOf(headers: IncomingHttpHeaders, publicUrl: string): Credentials | null {
  const authorization = headers.authorization ?? null;
  const adminKey = single(headers['x-admin-key']);
  const adminSession = sameOrigin(headers, publicUrl) ? cookie(headers.cookie, ADMIN_SESSION_COOKIE) : null;
  return authorization === null && adminKey === null && adminSession === null
    ? null
    : { authorization, adminKey, adminSession };
}

/** `connection_init`'s payload: `{"authorization": "Bearer …"}` or `{"x-admin-key": "…"}`; null: nothing at all. */
export function credentialsOfInit(payload: Readonly<Record<string, unknown>> | undefined): Credentials | null {
  const text = (name: string): string | null => {
    const found = Object.entries(payload ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
    // Something that is no text is a wrong credential, not a missing one.
    return found == null ? null : typeof found === 'string' ? found : '';
  };
  const [authorization, adminKey] = [text('authorization'), text('x-admin-key')];
  return authorization === null && adminKey === null ? null : { authorization, adminKey };
}

/** A cookie travels by itself: another site's page must not use it, least of all over a WebSocket, which has no CORS. */
function sameOrigin({ origin, host }: IncomingHttpHeaders, publicUrl: string): boolean {
  return origin === undefined || isOurOrigin(origin, host, publicUrl);
}

/** Whether a page of this server asks. A proxy may call it by another host than browsers do. */
export function isOurOrigin(origin: string, host: string | undefined, publicUrl: string): boolean {
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === host || origin === new URL(publicUrl).origin;
}

function cookie(header: string | undefined, name: string): string | null {
  const pair = header?.split(';').find((part) => part.trim().startsWith(`${name}=`));
  return pair === undefined ? null : pair.trim().slice(name.length + 1);
}

const single = (value: string | string[] | undefined): string | null =>
  Array.isArray(value) ? value.join() : (value ?? null);
