import { Type } from 'typebox';
import type { Diagnostic } from '../entities/index.js';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { Word } from './schemas.js';

const SEVERITIES = ['info', 'warning', 'critical'] as const;
type Severity = (typeof SEVERITIES)[number];
interface Alert {
  action: string;
  code: string;
  message: string;
  severity: Severity;
}

/** Diagnostics about how callers and streams prove themselves. */
const TRANSPORT_CODES = ['invalid_signature', 'stream_refused', 'stream_error'];

/** `alerts/auth-transport`: whether everybody who connects can prove who they are, and how. */
export async function alertRoutes(app: RestApp, { services }: RestDoorOptions): Promise<void> {
  new AdminRoutes(app, 'alerts').one(
    'GET /alerts/auth-transport',
    {
      summary: 'Alerts about how callers and streams authenticate',
      answer: Type.Object({
        status: Word(['ok', 'warning', 'critical']),
        count: Type.Integer(),
        alerts: Type.Array(
          Type.Object({
            action: Type.String({ description: 'What to do.' }),
            code: Type.String(),
            message: Type.String(),
            severity: Word(SEVERITIES),
          }),
        ),
        diagnostics: Type.Object({
          legacy_query_auth_enabled: Type.Boolean({
            description: '`?stream_token=` is understood, beside the parameter.',
          }),
          stream_auth_primary_configured: Type.Boolean(),
          stream_auth_previous_configured: Type.Boolean(),
          stream_auth_secret_count: Type.Integer(),
        }),
      }),
    },
    async ({ viewer }) => {
      const { streamTokenSecret, streamTokenSecretPrevious } = services.context.settings;
      const found = await Promise.all(
        TRANSPORT_CODES.map((code) =>
          services.diagnosticsQuery.list(viewer, { code, resolved: false }, { limit: 100, offset: 0 }),
        ),
      );
      const alerts = found.flatMap(({ rows }) => rows.map(alertOf));
      if (streamTokenSecretPrevious !== null) alerts.push(ROTATING);
      return {
        status: worstOf(alerts),
        count: alerts.length,
        alerts,
        diagnostics: {
          legacy_query_auth_enabled: true,
          stream_auth_primary_configured: streamTokenSecret !== '',
          stream_auth_previous_configured: streamTokenSecretPrevious !== null,
          stream_auth_secret_count: [streamTokenSecret || null, streamTokenSecretPrevious].filter((s) => s !== null)
            .length,
        },
      };
    },
  );
}

const ROTATING: Alert = {
  action: 'Unset STREAM_TOKEN_SECRET_PREVIOUS a minute after the last process got the new secret.',
  code: 'stream_secret_rotating',
  message: 'Two stream token secrets are valid.',
  severity: 'info',
};

function alertOf({ action, code, message, severity, count }: Diagnostic): Alert {
  return {
    action: action ?? 'Look at the diagnostics.',
    code,
    message: count > 1 ? `${message} (${count} times)` : message,
    severity: severity.toLowerCase() as Severity,
  };
}

function worstOf(alerts: readonly Alert[]): 'ok' | 'warning' | 'critical' {
  if (alerts.some(({ severity }) => severity === 'critical')) return 'critical';
  return alerts.some(({ severity }) => severity === 'warning') ? 'warning' : 'ok';
}
