import { ApiKey, Tenant } from '../entities/index.js';
import { hashSecret, safeEqual } from '../lib/crypto.js';
import { AppError } from '../lib/errors.js';
import type { Unsubscribe } from '../ports/bus.js';
import type { ServiceContext } from './context.js';
import { SCOPES, type AdminViewer, type RequestFacts, type Scope, type TenantViewer, type Viewer } from './viewer.js';

/** What a request showed, as it came in. */
export interface Credentials {
  /** The `Authorization` header: `Bearer …`. */
  authorization?: string | null | undefined;
  adminKey?: string | null | undefined;
  /** The console's session cookie. */
  adminSession?: string | null | undefined;
}

/** The console's sessions (user name and password); null when the cookie is no living session. */
export interface AdminSessions {
  verify(cookie: string): Promise<{ name: string } | null>;
}

export interface AdminAccess {
  /** Any of them opens the door: keys rotate with overlap. */
  keys: readonly string[];
  sessions: AdminSessions | null;
}

/** How long a key's row may be trusted without the database. Revocations arrive over the bus and cut it short. */
const CACHE_MS = 5_000;
const CACHE_SIZE = 10_000;
/** `last_used_at` is for people: once a minute is enough. */
const LAST_USED_EVERY_MS = 60_000;

interface KnownKey {
  id: string;
  tenantId: string;
  scopes: ReadonlySet<Scope>;
  legacy: boolean;
  expiresAt: Date | null;
  tenantSuspended: boolean;
  cachedAt: number;
  lastUsedWrittenAt: number;
}

/** Turns credentials into viewers; both doors and the sockets ask here. */
export class Viewers {
  private readonly keys = new Map<string, KnownKey>();
  private unsubscribe: Unsubscribe | null = null;
  /** Counts revocations: a row that was read before one must not be cached after it. */
  private revocations = 0;

  constructor(
    private readonly ctx: ServiceContext,
    private readonly admin: AdminAccess,
    /** False: a process for admins only, where a tenant's key opens nothing. */
    private readonly servesTenants = true,
  ) {}

  /** Follows revocations made by other processes. */
  async start(): Promise<void> {
    this.unsubscribe = await this.ctx.topics.subscribe('accessRevoked', null, (revoked) => {
      this.revocations += 1;
      for (const [hash, key] of this.keys)
        if (key.id === revoked.keyId || (revoked.keyId === null && key.tenantId === revoked.tenantId))
          this.keys.delete(hash);
    });
  }

  stop(): void {
    this.unsubscribe?.();
    this.keys.clear();
  }

  /** False: the whole admin surface answers 404, as if it were not there. */
  get adminConfigured(): boolean {
    return this.admin.keys.length > 0 || this.admin.sessions !== null;
  }

  /**
   * The viewer that these credentials prove. A wrong one is refused even beside a right one. Throws UNAUTHENTICATED,
   * TENANT_SUSPENDED, NOT_FOUND (an admin credential where no admin surface is configured).
   */
  async authenticate(credentials: Credentials, request: RequestFacts): Promise<Viewer> {
    if (credentials.adminKey != null) return this.adminByKey(credentials.adminKey, request);
    if (credentials.authorization != null) return this.tenant(bearerOf(credentials.authorization), request);
    if (credentials.adminSession != null) return this.adminBySession(credentials.adminSession, request);
    throw new AppError('UNAUTHENTICATED', 'Send a tenant key as "Authorization: Bearer …", or an admin credential');
  }

  /** Throws UNAUTHENTICATED, TENANT_SUSPENDED. */
  async tenant(secret: string, request: RequestFacts): Promise<TenantViewer> {
    if (!this.servesTenants)
      throw new AppError('UNAUTHENTICATED', 'This process serves admins only: send tenant keys to the runtime surface');
    const hash = hashSecret(secret);
    const now = this.ctx.clock.now();
    const known = await this.lookUp(hash, now);
    if (
      known === null ||
      (known.expiresAt !== null && known.expiresAt <= now) ||
      (known.legacy && !this.ctx.settings.legacyBearerAuth)
    )
      throw new AppError('UNAUTHENTICATED', 'The API key is unknown, expired or revoked');
    if (known.tenantSuspended) throw new AppError('TENANT_SUSPENDED', 'This tenant is suspended');
    this.noteUse(known, now);
    return { kind: 'tenant', tenantId: known.tenantId, apiKeyId: known.id, scopes: known.scopes, request };
  }

  private adminByKey(key: string, request: RequestFacts): AdminViewer {
    this.requireAdminSurface();
    // Every key is compared, so that the time does not tell which one was nearly right.
    const matches = this.admin.keys.map((known) => safeEqual(known, key));
    if (!matches.includes(true)) throw new AppError('UNAUTHENTICATED', 'The admin key is wrong');
    return { kind: 'admin', name: `admin-key:${hashSecret(key).slice(0, 6)}`, request };
  }

  private async adminBySession(cookie: string, request: RequestFacts): Promise<AdminViewer> {
    this.requireAdminSurface();
    const session = (await this.admin.sessions?.verify(cookie)) ?? null;
    if (session === null) throw new AppError('UNAUTHENTICATED', 'The admin session has ended: log in again');
    return { kind: 'admin', name: session.name, request };
  }

  private requireAdminSurface(): void {
    if (!this.adminConfigured) throw new AppError('NOT_FOUND', 'not found');
  }

  private async lookUp(hash: string, now: Date): Promise<KnownKey | null> {
    const cached = this.keys.get(hash);
    if (cached !== undefined && now.getTime() - cached.cachedAt < CACHE_MS) return cached;
    const revocationsBefore = this.revocations;
    const em = this.ctx.database.em({ all: true });
    const row = await em.findOne(ApiKey, { secretHash: hash, revokedAt: null });
    const tenant = row === null ? null : await em.findOne(Tenant, { id: row.tenantId });
    if (row === null || tenant === null) return (this.keys.delete(hash), null);
    const known: KnownKey = {
      id: row.id,
      tenantId: row.tenantId,
      scopes: new Set(SCOPES.filter((scope) => row.scopes.includes(scope))),
      legacy: row.legacy,
      expiresAt: row.expiresAt ?? null,
      tenantSuspended: tenant.status === 'SUSPENDED',
      cachedAt: now.getTime(),
      lastUsedWrittenAt: cached?.lastUsedWrittenAt ?? row.lastUsedAt?.getTime() ?? 0,
    };
    if (this.revocations !== revocationsBefore) return known;
    // Full: forget the oldest. Only keys that exist get in, so nobody can push the others out by guessing.
    if (this.keys.size >= CACHE_SIZE) this.keys.delete(this.keys.keys().next().value!);
    this.keys.set(hash, known);
    return known;
  }

  private noteUse(key: KnownKey, now: Date): void {
    if (now.getTime() - key.lastUsedWrittenAt < LAST_USED_EVERY_MS) return;
    key.lastUsedWrittenAt = now.getTime();
    this.ctx.database
      .em({ all: true })
      .nativeUpdate(ApiKey, { id: key.id }, { lastUsedAt: now })
      .catch((err: unknown) => this.ctx.log.warn({ err, apiKeyId: key.id }, 'could not note the use of an API key'));
  }
}

/** The token of `Authorization: Bearer …`. Throws UNAUTHENTICATED. */
export function bearerOf(header: string): string {
  const match = /^Bearer +([\x21-\x7e]+) *$/i.exec(header);
  if (match === null) throw new AppError('UNAUTHENTICATED', 'The Authorization header must be "Bearer <API key>"');
  return match[1]!;
}
