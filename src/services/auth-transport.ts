import type { Diagnostic, DiagnosticSeverity } from '../entities/index.js';
import type { ServiceContext } from './context.js';
import type { DiagnosticsQuery } from './diagnostics-query.js';
import { requireAdmin, type Viewer } from './viewer.js';

export const AUTH_TRANSPORT_STATUSES = ['OK', 'WARNING', 'CRITICAL'] as const;
export type AuthTransportStatus = (typeof AUTH_TRANSPORT_STATUSES)[number];

export interface AuthTransportAlert {
  /** What to do. */
  action: string;
  code: string;
  message: string;
  severity: DiagnosticSeverity;
}
/** Whether everybody who connects can prove who they are, and how. */
export interface AuthTransportReport {
  /** The worst of the alerts. */
  status: AuthTransportStatus;
  alerts: AuthTransportAlert[];
  /** `?stream_token=` is understood, beside the parameter. */
  legacyQueryAuthEnabled: boolean;
  streamAuthPrimaryConfigured: boolean;
  /** The secret from before is still valid. */
  streamAuthPreviousConfigured: boolean;
  streamAuthSecretCount: number;
}

/** Diagnostics about how callers and streams prove themselves. */
const CODES = ['invalid_signature', 'stream_refused', 'stream_error'];
const MAX_OF_EACH = 100;

const ROTATING: AuthTransportAlert = {
  action: 'Unset STREAM_TOKEN_SECRET_PREVIOUS a minute after the last process got the new secret.',
  code: 'stream_secret_rotating',
  message: 'Two stream token secrets are valid.',
  severity: 'INFO',
};

export class AuthTransport {
  constructor(
    private readonly ctx: ServiceContext,
    private readonly diagnostics: DiagnosticsQuery,
  ) {}

  /** The open alerts, and how this process lets streams in. */
  async report(viewer: Viewer): Promise<AuthTransportReport> {
    requireAdmin(viewer);
    const { streamTokenSecret, streamTokenSecretPrevious } = this.ctx.settings;
    const found = await Promise.all(
      CODES.map((code) => this.diagnostics.list(viewer, { code, resolved: false }, { limit: MAX_OF_EACH, offset: 0 })),
    );
    const alerts = found.flatMap(({ rows }) => rows.map(alertOf));
    if (streamTokenSecretPrevious !== null) alerts.push(ROTATING);
    const secrets = [streamTokenSecret || null, streamTokenSecretPrevious].filter((secret) => secret !== null);
    return {
      status: worstOf(alerts),
      alerts,
      legacyQueryAuthEnabled: true,
      streamAuthPrimaryConfigured: streamTokenSecret !== '',
      streamAuthPreviousConfigured: streamTokenSecretPrevious !== null,
      streamAuthSecretCount: secrets.length,
    };
  }
}

function alertOf({ action, code, message, severity, count }: Diagnostic): AuthTransportAlert {
  return {
    action: action ?? 'Look at the diagnostics.',
    code,
    message: count > 1 ? `${message} (${count} times)` : message,
    severity,
  };
}

function worstOf(alerts: readonly AuthTransportAlert[]): AuthTransportStatus {
  if (alerts.some(({ severity }) => severity === 'CRITICAL')) return 'CRITICAL';
  return alerts.some(({ severity }) => severity === 'WARNING') ? 'WARNING' : 'OK';
}
