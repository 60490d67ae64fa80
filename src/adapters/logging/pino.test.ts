import { describe, expect, it } from 'vitest';
import { createLogger } from './pino.js';

/** What is written by `say`, as one text and as records. */
function written(say: (log: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = [];
  say(createLogger('info', { write: (line) => void lines.push(line) }));
  return { text: lines.join(''), records: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('the log', () => {
  it('is one JSON record a line, with the fields of the child that speaks', () => {
    const { records } = written((log) => {
      log.child({ callId: 'c1' }).info({ attempt: 2 }, 'call placed');
      log.debug({}, 'too quiet to be heard');
    });
    expect(records).toEqual([expect.objectContaining({ callId: 'c1', attempt: 2, msg: 'call placed' })]);
    expect(records[0]!.time).toMatch(/^\d{4}-.*Z$/);
  });

  it.each([
    'authorization',
    'x-admin-key',
    'x-twilio-signature',
    'cookie',
    'token',
    'secret',
    'password',
    'authToken',
    'apiKey',
    'to',
    'from',
    'phoneNumber',
    'text',
    'transcript',
  ])('hides %s, also one and two levels down and in a child', (name) => {
    const { text } = written((log) => {
      log.info({ [name]: 'LEAKED' }, 'x');
      log.info({ headers: { [name]: 'LEAKED' } }, 'x');
      log.info({ request: { headers: { [name]: 'LEAKED' } } }, 'x');
      log.child({ [name]: 'LEAKED' }).info({}, 'x');
    });
    expect(text).not.toContain('LEAKED');
    expect(text).toContain('[redacted]');
  });

  it('tells an error by type, code and place, without the values that a driver hangs on it', () => {
    const cause = new Error('call to +15555555678 refused');
    const error = Object.assign(new Error("insert into call values ('LEAKED') - duplicate key\nLEAKED", { cause }), {
      code: '23505',
      params: ['LEAKED'],
    });
    const { text, records } = written((log) => log.error({ err: error }, 'x'));
    expect(text).not.toContain('LEAKED');
    expect(text).not.toContain('5555555678');
    expect(records[0]!.err).toMatchObject({
      type: 'Error',
      message: 'duplicate key',
      code: '23505',
      cause: { message: 'call to +15•••••5678 refused' },
    });
  });
});
