import { defineConfig } from 'vitest/config';

/** The whole suite on the embedded database and the in-process bus: what holds on a bare machine. */
export default defineConfig({
  // graphql ships two module formats; without the alias tests load both, and their types do not match each other.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'console/src/**/*.test.ts'],
    exclude: ['test/services/**', '**/node_modules/**'],
    globalSetup: ['test/testkit/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Files of one worker share their modules: loading them is most of a short file's time. Tests leave nothing behind.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
