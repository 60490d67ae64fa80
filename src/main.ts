import { buildApp } from './app.js';
import { ConfigError, loadConfig, type Config } from './config.js';

/** Time that running calls get on SIGTERM before they are led elsewhere, ms. */
const DRAIN_MS = 30_000;

let config: Config;
try {
  config = loadConfig(process.env);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}

const app = await buildApp(config);
const { log } = app.infrastructure;
for (const notice of config.notices) log.warn({}, notice);

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    // A second signal means now.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'shutting down');
    app.stop(DRAIN_MS).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  });

// A bug in one call must not end the others; it is told, and a supervisor that restarts loses nothing that was stored.
process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
process.on('uncaughtException', (error) => {
  log.error({ err: error }, 'uncaught exception; leaving');
  void app.stop(0).finally(() => process.exit(1));
});

const origin = await app.start();
log.info({ origin, publicUrl: app.publicUrl, surfaces: [...config.surfaces] }, 'gateway is up');
