import { createHmac } from 'node:crypto';

/** Twilio's signature of a request: HMAC-SHA1 over the URL without its fragment and the sorted form fields. */
export function signatureOf(authToken: string, url: string, params: Readonly<Record<string, string>>): string {
  const body = Object.keys(params)
    .sort()
    .reduce((text, name) => text + name + params[name], url.replace(/#.*$/, ''));
  return createHmac('sha1', authToken).update(body).digest('base64');
}
