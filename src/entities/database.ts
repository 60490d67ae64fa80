import { MikroORM, type Options } from '@mikro-orm/core';
import { PostgreSqlDriver, type EntityManager } from '@mikro-orm/postgresql';
import { Migrator } from '@mikro-orm/migrations';
import { PgliteDriver } from '@mikro-orm/pglite';
import { PGlite } from '@electric-sql/pglite';
import { migrations } from './migrations/index.js';
import { entities } from './index.js';

/** Where the rows live: a PostgreSQL server, or the embedded PGlite in a folder (`memory://` for none). */
export type DatabaseLocation = { url: string; poolSize?: number } | { pgliteDir: string };

/** The tenant filter's argument: one tenant's rows, or everybody's (an admin or the gateway itself, said explicitly). */
export type TenantScope = { tenantId: string } | { all: true };

/**
 * The database of one process. Every `EntityManager` handed out is a fresh fork that carries a tenant scope: a query
 * without one throws instead of returning other tenants' rows.
 */
export class Database {
  private constructor(
    readonly orm: MikroORM<PostgreSqlDriver, EntityManager>,
    /** Set on the embedded database. */
    readonly pglite: PGlite | null,
    readonly url: string | null,
  ) {}

  /** Opens the database; does not migrate. Throws when it cannot be reached. */
  static async open(location: DatabaseLocation): Promise<Database> {
    if ('url' in location) {
      const orm = await MikroORM.init<PostgreSqlDriver, EntityManager>({
        ...commonOptions(),
        driver: PostgreSqlDriver,
        clientUrl: location.url,
        pool: { min: 0, max: location.poolSize ?? 10 },
      });
      return new Database(orm, null, location.url);
    }
    // Small buffers: one process reads this database, and each megabyte counts on a small machine (toolchain.md).
    const pglite = await PGlite.create({
      dataDir: location.pgliteDir,
      postgresqlconf: ['shared_buffers=8MB', 'max_connections=5', 'wal_buffers=256kB'],
    });
    const orm = (await MikroORM.init({
      ...commonOptions(),
      driver: PgliteDriver,
      driverOptions: { pglite },
      dbName: 'memory://',
    } as unknown as Partial<Options<PgliteDriver>>)) as unknown as MikroORM<PostgreSqlDriver, EntityManager>;
    return new Database(orm, pglite, null);
  }

  /** A fresh EntityManager bound to `scope`. */
  em(scope: TenantScope): EntityManager {
    const em = this.orm.em.fork();
    em.setFilterParams('tenant', scope);
    return em;
  }

  /** Brings the schema up to date; safe to call from several processes at once (the runner takes a lock). */
  async migrate(): Promise<void> {
    if (this.pglite !== null) return void (await this.orm.migrator.up());
    // Two replicas that start together must not both run the same migration.
    await this.orm.em.getConnection().transactional(async (trx) => {
      await this.orm.em.getConnection().execute('select pg_advisory_xact_lock(7204001)', [], 'run', trx);
      await this.orm.migrator.up();
    });
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.orm.em.getConnection().execute('select 1');
  }

  async close(): Promise<void> {
    await this.orm.close(true);
    if (this.pglite !== null && !this.pglite.closed) await this.pglite.close();
  }
}

const TENANT_OWNED = entities
  .filter((entity) => 'tenantId' in (entity.init().meta.properties as object))
  .map((entity) => entity.meta.className);

function commonOptions() {
  return {
    entities: [...entities],
    extensions: [Migrator],
    migrations: { migrationsList: migrations, snapshot: false, silent: true },
    // Two writers of one row must both see what they wrote: identity maps never outlive a use-case (fork per call).
    allowGlobalContext: true,
    forceUtcTimezone: true,
    // The message of a failed query holds its parameters: phone numbers and transcripts must not reach the logs.
    debug: false,
    filters: {
      tenant: {
        name: 'tenant',
        entity: TENANT_OWNED,
        default: true,
        cond: (scope: TenantScope) => ('tenantId' in scope ? { tenantId: scope.tenantId } : {}),
      },
    },
  } satisfies Partial<Options<PostgreSqlDriver>>;
}
