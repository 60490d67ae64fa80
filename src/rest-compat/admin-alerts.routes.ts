import { Type } from 'typebox';
import { AdminRoutes } from './admin-route.js';
import type { RestApp, RestDoorOptions } from './deps.js';
import { lower } from './naming.js';
import { Word } from './schemas.js';

const SEVERITIES = ['info', 'warning', 'critical'] as const;
type Severity = (typeof SEVERITIES)[number];
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
      const { status, alerts, ...diagnostics } = await services.authTransport.report(viewer);
      return {
        status: lower<'ok' | 'warning' | 'critical'>(status),
        count: alerts.length,
        alerts: alerts.map((alert) => ({ ...alert, severity: lower<Severity>(alert.severity) })),
        diagnostics: {
          legacy_query_auth_enabled: diagnostics.legacyQueryAuthEnabled,
          stream_auth_primary_configured: diagnostics.streamAuthPrimaryConfigured,
          stream_auth_previous_configured: diagnostics.streamAuthPreviousConfigured,
          stream_auth_secret_count: diagnostics.streamAuthSecretCount,
        },
      };
    },
  );
}
