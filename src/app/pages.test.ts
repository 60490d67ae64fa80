import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { page } from './pages.js';

describe.each(['graphiql', 'console'] as const)('the page %s', (name) => {
  it('comes from this machine, and from nowhere when it was not built', async () => {
    const files = mkdtempSync(join(tmpdir(), 'trunkline-page-'));
    writeFileSync(join(files, 'index.html'), '<title>a page</title>');
    const [built, bare] = [Fastify(), Fastify()];
    try {
      await built.register(page, { name, files });
      expect((await built.inject(`/${name}`)).headers.location).toBe(`/${name}/`);
      const { body, headers } = await built.inject(`/${name}/`);
      expect(body).toContain('a page');
      if (name === 'console') expect(headers['content-security-policy']).toContain("default-src 'self'");
      expect((await built.inject(`/${name}/../package.json`)).statusCode).toBe(404);
      await bare.register(page, { name, files: join(files, 'missing') });
      expect((await bare.inject(`/${name}/`)).statusCode).toBe(404);
    } finally {
      await Promise.all([built.close(), bare.close()]);
      rmSync(files, { recursive: true });
    }
  });
});
