import { describe, expect, it } from 'vitest';
import { inspect, strayVendor, wrongArrow } from '../scripts/staircase.js';

describe('the import staircase', () => {
  it('holds in the whole tree', () => expect(inspect('src')).toEqual([]));

  it.each([
    ['services/a.ts', 'resolvers/b.ts'],
    ['services/a.ts', 'live/b.ts'],
    ['media/call-bridge.ts', 'services/b.ts'],
    ['adapters/x.ts', 'services/b.ts'],
    ['services/a.ts', 'adapters/x.ts'],
    ['rest-compat/a.ts', 'resolvers/b.ts'],
    ['lib/a.ts', 'ports/b.ts'],
    ['services/a.ts', 'config.ts'],
    ['services/a.ts', 'pubsub/redis.ts'],
    ['kitchen/a.ts', 'lib/b.ts'],
  ])('refuses %s -> %s', (from, to) => expect(wrongArrow(from, to)).toContain(from));

  it.each([
    ['app.ts', 'adapters/x.ts'],
    ['resolvers/a.ts', 'services/b.ts'],
    ['media/stream-route.ts', 'media/call-bridge.ts'],
    ['adapters/x.ts', 'ports/b.ts'],
    ['live/a.ts', 'entities/b.ts'],
  ])('allows %s -> %s', (from, to) => expect(wrongArrow(from, to)).toBeNull());

  it('keeps vendors in their adapters', () => {
    expect(strayVendor('services/a.ts', 'twilio')).toContain('twilio');
    expect(strayVendor('simulators/a.ts', 'openai/realtime/ws')).toContain('openai');
    expect(strayVendor('adapters/telephony/a.ts', 'twilio')).toBeNull();
  });
});
