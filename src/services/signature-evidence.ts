import { SignatureCheck } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticSink } from './diagnostics.js';

/** Counts how often Twilio's signature held: evidence for a launch gate, and an alarm when it keeps failing. */
export interface SignatureEvidence {
  /** `tenantIds`: whose account the request named; empty for the installation's own and for strangers. Never throws. */
  record(check: { tenantIds: readonly string[]; valid: boolean }): Promise<void>;
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

  async record({ tenantIds, valid }: { tenantIds: readonly string[]; valid: boolean }): Promise<void> {
    try {
      if (tenantIds.length > 0) {
        const em = this.context.database.em({ all: true });
        for (const tenantId of tenantIds) em.create(SignatureCheck, { tenantId, valid });
        await em.flush();
      }
    } catch (error) {
      this.context.log.warn({ err: error }, 'signature check not counted');
    }
    if (!valid) await this.alarm(tenantIds);
  }

  private async alarm(tenantIds: readonly string[]): Promise<void> {
    const now = this.context.clock.now().getTime();
    this.failures = [...this.failures.filter((at) => at > now - WINDOW_MS), now].slice(-REPEATED);
    const tenantId = tenantIds.length === 1 ? tenantIds[0]! : null;
    await this.diagnostics.raise({
      tenantId,
      code: 'invalid_signature',
      severity: this.failures.length >= REPEATED ? 'CRITICAL' : 'WARNING',
      message: 'A request to a telephone webhook carried no valid signature and was refused.',
      action: 'Compare the auth token with the carrier console, and PUBLIC_URL with the URLs configured there.',
    });
  }
}
