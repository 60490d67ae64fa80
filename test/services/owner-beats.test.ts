import { afterAll, beforeAll, expect, it } from 'vitest';
import { OwnerBeats } from '../../src/services/owner-beats.js';
import { seedSession, testContext } from '../testkit/context.js';
import { openTestDatabase, type TestDatabase } from '../testkit/database.js';

let test: TestDatabase;
beforeAll(async () => void (test = await openTestDatabase()));
afterAll(() => test.dispose());

it('a session that somebody holds locked keeps no other call from showing that it lives', async () => {
  const context = testContext(test.database);
  context.settings.timing.beatBatchMs = 10;
  const beats = new OwnerBeats(context);
  const [locked, free] = [await seedSession(test.database), await seedSession(test.database)];
  let released = false;
  let held: Promise<boolean> | undefined;
  await test.database.em({ all: true }).transactional(async (holder) => {
    await holder.execute('select id from voice_session where id = ? for update', [locked.id]);
    held = beats.beat(locked.id, 1).finally(() => expect(released).toBe(true));
    expect(await beats.beat(free.id, 1)).toBe(true);
    released = true;
  });
  expect(await held).toBe(true);
});
