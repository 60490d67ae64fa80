import { Pool } from 'undici';
import { Durations, type Percentiles } from '../figures.js';
import { PAGE, QUERY } from './server.js';

/** Requests on their way at the same time. */
const CONNECTIONS = 8;

export interface QuerySample extends Percentiles {
  requests: number;
}

/** Clients that ask the next question when they have the answer to the last. */
export async function startClients(_options: object) {
  return {
    run: async (target: { url: string; authorization: string; seconds: number }): Promise<QuerySample> => {
      const { origin, pathname } = new URL(target.url);
      const pool = new Pool(origin, { connections: CONNECTIONS, pipelining: 1 });
      const answered = new Durations();
      const end = performance.now() + target.seconds * 1_000;
      const client = async (): Promise<void> => {
        while (performance.now() < end) {
          const asked = performance.now();
          await ask(pool, pathname, target.authorization);
          answered.add(performance.now() - asked);
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, client));
      await pool.close();
      return { requests: answered.count, ...answered.percentiles() };
    },
    close: async (): Promise<void> => {},
  };
}

const BODY = JSON.stringify({ query: QUERY });

async function ask(pool: Pool, path: string, authorization: string): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', authorization },
    body: BODY,
  });
  const text = await body.text();
  if (statusCode !== 200 || text.split('"callSid"').length !== PAGE + 1)
    throw new Error(`calls answered ${statusCode}: ${text.slice(0, 500)}`);
}
