import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The same suite against a real PostgreSQL and Redis, and what only exists there (test/services). */
export default defineConfig({
  ...base,
  test: { ...base.test, exclude: ['**/node_modules/**'], globalSetup: ['test/testkit/services-setup.ts'] },
});
