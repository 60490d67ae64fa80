import { SignatureCheck } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';

/** One request to a telephone webhook, and whether its signature held. */
export interface CheckedSignature {
  /** The account that the request named. */
  accountSid: string;
  /** Whose own account that is; empty for the installation's and for strangers. */
  tenantIds: readonly string[];
  /** `To` and `From`: what a request in the name of the installation's account is about. */
  numbers: readonly string[];
  valid: boolean;
}

/** Counts how often Twilio's signature held: evidence for a launch gate, and an alarm when it keeps failing. */
export interface SignatureEvidence {
  /** Never throws. */
  record(check: CheckedSignature): Promise<void>;
}

/** So many failures within the window are no accident: a wrong token, a wrong PUBLIC_URL, or somebody trying. */
const REPEATED = 5;
const WINDOW_MS = 300_000;

export class StoredSignatureEvidence implements SignatureEvidence {
  private failures: number[] = [];

  constructor(
    private readonly context: ServiceContext,
    private readonly diagnostics: DiagnosticSink,
  ) {}

  async record(check: CheckedSignature): Promise<void> {
    try {
      const tenants = check.tenantIds.length > 0 ? check.tenantIds : await this.sharers(check);
      if (tenants.length > 0) {
        const em = this.context.database.em({ all: true });
        for (const tenantId of tenants) em.create(SignatureCheck, { tenantId, valid: check.valid });
        await em.flush();
      }
    } catch (error) {
      this.context.log.warn({ err: error }, 'signature check not counted');
    }
    if (!check.valid) await this.alarm(check.tenantIds);
  }

  /** Tenants without an account of their own use the installation's: theirs is what is about their numbers. */
  private async sharers({ accountSid, numbers }: CheckedSignature): Promise<string[]> {
    const { settings, database, clock } = this.context;
    const known = numbers.filter((number) => number !== '');
    if (accountSid !== settings.defaultCarrierAccount?.accountSid || known.length === 0) return [];
    const rows = await database.em({ all: true }).execute<{ tenant_id: string }[]>(
      `select distinct r.tenant_id from phone_route r
        where r.number in (${known.map(() => '?').join(', ')})
          and not exists (select 1 from twilio_credential c
                           where c.tenant_id = r.tenant_id and (c.retires_at is null or c.retires_at > ?))`,
      [...known, clock.now()],
    );
    return rows.map((row) => row.tenant_id);
  }

  private async alarm(tenantIds: readonly string[]): Promise<void> {
    const now = this.context.clock.now().getTime();
    this.failures = [...this.failures.filter((at) => at > now - WINDOW_MS), now].slice(-REPEATED);
    const tenantId = tenantIds.length === 1 ? tenantIds[0]! : null;
    await this.diagnostics.raise({
      tenantId,
      code: 'invalid_signature',
      severity: this.failures.length >= REPEATED ? 'CRITICAL' : 'WARNING',
      message: 'A request to a telephone webhook or media stream carried no valid signature and was refused.',
      action: 'Compare the auth token with the carrier console, and PUBLIC_URL with the URLs configured there.',
    });
  }
}
