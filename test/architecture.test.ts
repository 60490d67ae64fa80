import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
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
    ['services/a.ts', 'media/call-bridge.ts'],
    ['media/call-bridge.ts', 'media/stream-route.ts'],
    ['media/stream-route.ts', 'webhooks/inbound/b.ts'],
    ['simulators/a.ts', 'adapters/b.ts'],
    ['adapters/a.ts', 'simulators/b.ts'],
    ['resolvers/a.ts', 'adapters/b.ts'],
    ['pubsub/topics.ts', 'pubsub/redis.ts'],
    ['entities/a.ts', 'config.ts'],
    ['kitchen/a.ts', 'lib/b.ts'],
    ['services/a.ts', '../bench/figures.ts'],
    ['demo/demo.ts', '../bench/gateway.ts'],
  ])('refuses %s -> %s', (from, to) => expect(wrongArrow(from, to)).toContain(from));

  it.each([
    ['app.ts', 'adapters/x.ts'],
    ['resolvers/a.ts', 'services/b.ts'],
    ['media/stream-route.ts', 'media/call-bridge.ts'],
    ['adapters/x.ts', 'ports/b.ts'],
    ['live/a.ts', 'entities/b.ts'],
    ['media/live-audio-route.ts', 'media/call-bridge.ts'],
    ['wiring-doors.ts', 'resolvers/a.ts'],
    ['demo/demo.ts', 'app.ts'],
    ['services/a.ts', 'services/b.ts'],
  ])('allows %s -> %s', (from, to) => expect(wrongArrow(from, to)).toBeNull());

  it('keeps vendors in their adapters', () => {
    expect(strayVendor('services/a.ts', 'twilio')).toContain('twilio');
    expect(strayVendor('simulators/a.ts', 'openai/realtime/ws')).toContain('openai');
    expect(strayVendor('adapters/telephony/a.ts', 'twilio')).toBeNull();
  });

  describe('reads', () => {
    const root = mkdtempSync(join(tmpdir(), 'trunkline-house-'));
    afterEach(() => rmSync(root, { recursive: true, force: true }));
    const inspected = (files: Record<string, string>) => {
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(join(root, dirname(file)), { recursive: true });
        writeFileSync(join(root, file), text);
      }
      return inspect(root);
    };

    it.each([
      `import { b } from '../resolvers/b.js';`,
      `import type { B } from '../resolvers/b.js';`,
      `import {\n  b,\n} from '../resolvers/b.js';`,
      `import '../resolvers/b.js';`,
      `export * from '../resolvers/b.js';`,
      `const b = await import('../resolvers/b.js');`,
      `type B = import('../resolvers/b.js').B;`,
    ])('the arrow in %s', (text) =>
      expect(inspected({ 'services/a.ts': text })).toEqual([
        'services/a.ts (services) must not import resolvers/b.ts (resolvers)',
      ]),
    );

    it('no arrow in what a test imports', () =>
      expect(inspected({ 'services/a.test.ts': `import '../resolvers/b.js';` })).toEqual([]));
  });
});

describe('the environment', () => {
  it('is read at the top of the house only', () => {
    const below = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !/^(main|config)\.ts$|^(config|demo|simulators\/main)|\.test\.ts$/.test(file),
    );
    expect(below.filter((file) => readFileSync(join('src', file), 'utf8').includes('process.env'))).toEqual([]);
  });
});
