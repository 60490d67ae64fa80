import type { CarrierSimulator } from './server.js';

/** One authenticated request. */
export interface RestRequest {
  carrier: CarrierSimulator;
  accountSid: string;
  /** Of the path: what stands where the route has a group. */
  ids: readonly string[];
  /** Path and query, for the pages of lists. */
  uri: string;
  query: URLSearchParams;
  form: URLSearchParams;
}

export interface RestAnswer {
  status: number;
  body: object | null;
}

/** `dials`: under the fault `createCall`. */
export interface Route {
  method: 'GET' | 'POST' | 'DELETE';
  /** What follows the account in the path. */
  path: RegExp;
  dials?: boolean;
  run(request: RestRequest): RestAnswer;
}

export const ok = (body: object, status = 200): RestAnswer => ({ status, body });

export const refusal = (status: number, code: number, message: string): RestAnswer => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});

export const notFound = ({ uri }: RestRequest): RestAnswer =>
  refusal(404, 20404, `The requested resource ${uri.split('?')[0]} was not found`);
