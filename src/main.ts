import { buildApp } from './app.js';
import { ConfigError, loadConfig, type Config } from './config.js';

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

/** After the drain: time to write down and to close what is open. Longer is a database or a peer that never answers. */
const LEAVE_MS = 30_000;

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    // A second signal means now.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'shutting down');
    setTimeout(() => {
      log.error({}, 'shutdown takes too long; leaving without its end');
      process.exit(1);
    }, config.drainMs + LEAVE_MS).unref();
    app.stop(config.drainMs).then(
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
  setTimeout(() => process.exit(1), LEAVE_MS).unref();
  void app.stop(0).finally(() => process.exit(1));
});

const origin = await app.start();
log.info({ origin, publicUrl: app.publicUrl, surfaces: [...config.surfaces] }, 'gateway is up');
