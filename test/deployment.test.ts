import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, VARIABLES } from '../src/config.js';

interface Service {
  environment?: Record<string, unknown>;
  volumes?: string[];
  profiles?: string[];
  secrets?: string[];
}
const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  secrets: Record<string, unknown>;
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

describe('the observability profile', () => {
  const yaml = (file: string) => parse(readFileSync(file, 'utf8'));
  const mountOf = (service: string, source: string) =>
    compose.services[service]!.volumes!.map((mount) => mount.split(':')).find(([from]) => from === source)![1]!;

  it('is Prometheus and Grafana, and nobody gets them unasked', () => {
    const named = Object.entries(compose.services).filter(([, { profiles }]) => profiles?.includes('observability'));
    expect(named.map(([name]) => name).toSorted()).toEqual(['grafana', 'prometheus']);
  });

  it('scrapes the gateway with its token, under the name that the rules ask for', () => {
    const [job] = yaml('ops/prometheus.yml').scrape_configs;
    expect(job.static_configs).toEqual([
      { targets: [`gateway:${String(compose.services.gateway!.environment!.PORT)}`] },
    ]);
    expect(job.authorization.credentials_file).toBe(`/run/secrets/${compose.services.prometheus!.secrets![0]}`);
    expect(compose.secrets.metrics_token).toEqual({ environment: 'METRICS_TOKEN' });
    const expressions = yaml('ops/rules.yml').groups.flatMap((group: any) => group.rules.map((rule: any) => rule.expr));
    expect(expressions).toContain(`up{job="${job.job_name}"} == 0`);
    // The image reads /etc/prometheus/prometheus.yml, which names the rules beside it.
    expect(mountOf('prometheus', './ops')).toBe('/etc/prometheus');
    expect(yaml('ops/prometheus.yml').rule_files).toEqual(['/etc/prometheus/rules*.yml']);
  });

  it('shows the dashboard from where it is mounted, with figures of that Prometheus', () => {
    const [provider] = yaml('ops/grafana/provisioning/dashboards/trunkline.yml').providers;
    expect(provider.options.path).toBe(mountOf('grafana', './ops/grafana'));
    expect(existsSync('ops/grafana/trunkline.json')).toBe(true);
    expect(mountOf('grafana', './ops/grafana/provisioning')).toBe('/etc/grafana/provisioning');
    expect(yaml('ops/grafana/provisioning/datasources/prometheus.yml').datasources[0].url).toBe(
      'http://prometheus:9090',
    );
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
