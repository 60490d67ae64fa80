import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { graphiqlPage } from './graphiql.js';

describe('the GraphiQL page', () => {
  it('comes from this machine, and from nowhere when it was not built', async () => {
    const files = mkdtempSync(join(tmpdir(), 'trunkline-graphiql-'));
    writeFileSync(join(files, 'index.html'), '<title>GraphiQL</title>');
    const [built, bare] = [Fastify(), Fastify()];
    try {
      await built.register(graphiqlPage, { files });
      expect((await built.inject('/graphiql')).headers.location).toBe('/graphiql/');
      expect((await built.inject('/graphiql/')).body).toContain('GraphiQL');
      expect((await built.inject('/graphiql/../package.json')).statusCode).toBe(404);
      await bare.register(graphiqlPage, { files: join(files, 'missing') });
      expect((await bare.inject('/graphiql/')).statusCode).toBe(404);
    } finally {
      await Promise.all([built.close(), bare.close()]);
      rmSync(files, { recursive: true });
    }
  });
});
