import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, VARIABLES } from '../src/config.js';

interface Service {
  environment?: Record<string, unknown>;
  volumes?: string[];
}
const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
};

/** The value that compose gives when the caller's environment is empty: `${NAME:-default}`. */
const fallback = (value: unknown) => String(value).replace(/^\$\{\w+:-(.*)\}$/, '$1');

describe('docker-compose.yml', () => {
  it.each(['gateway', 'simulated-gateway'])('passes every variable to the %s, and no other', (name) =>
    expect(Object.keys(compose.services[name]!.environment!).toSorted()).toEqual([...VARIABLES].toSorted()),
  );

  it('passes each variable under its own name', () => {
    const passed = Object.entries(compose.services.gateway!.environment!);
    const renamed = passed.filter(
      ([name, value]) => String(value).startsWith('${') && !String(value).includes(`{${name}:-`),
    );
    expect(renamed).toEqual([]);
  });

  it('lacks nothing for production but the two secrets', () => {
    const given = Object.entries(compose.services.gateway!.environment!).map(
      ([name, v]) => [name, fallback(v)] as const,
    );
    const secrets = { STREAM_TOKEN_SECRET: 's'.repeat(32), ENCRYPTION_KEY: 'a1'.repeat(32) };
    expect(loadConfig({ ...Object.fromEntries(given), ...secrets })).toMatchObject({
      production: true,
      simulate: { carrier: false, model: false },
    });
  });

  it('mounts only files that exist', () => {
    const mounts = Object.values(compose.services).flatMap((service) => service.volumes ?? []);
    const files = mounts.map((mount) => mount.split(':')[0]!).filter((source) => source.startsWith('.'));
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });
});

describe('docs/operating.md', () => {
  it('explains every variable', () => {
    const rows = readFileSync('docs/operating.md', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const explained = rows.map((row) => row.split('|')[1]!).join();
    expect(VARIABLES.filter((name) => !explained.includes(`\`${name}\``))).toEqual([]);
  });
});
