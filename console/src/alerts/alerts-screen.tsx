import { useState } from 'react';
import { useMutation, useSubscription } from 'urql';
import { useConsole } from '../context.js';
import { dayAndTime, relative, useNow, words } from '../format.js';
import { AlertsDocument, ResolveAlertDocument, type AlertFragment } from '../generated/graphql.js';
import { Chip, Empty, Problem, type ChipTone } from '../shell/parts.js';

const TONES: Record<AlertFragment['severity'], ChipTone> = { INFO: 'info', WARNING: 'warn', CRITICAL: 'bad' };
const ORDER: AlertFragment['severity'][] = ['CRITICAL', 'WARNING', 'INFO'];

/** What is wrong and not yet resolved, the worst first. */
export function AlertsScreen() {
  const { tenantId } = useConsole();
  return <AlertList key={tenantId} tenantId={tenantId} />;
}

function AlertList({ tenantId }: { tenantId: string | null }) {
  const { manyTenants } = useConsole();
  const [alerts, setAlerts] = useState<ReadonlyMap<string, AlertFragment>>(new Map());
  const put = (alert: AlertFragment): void => setAlerts((before) => new Map(before).set(alert.id, alert));
  const [{ error }] = useSubscription({ query: AlertsDocument, variables: { tenantId } }, (_, data) => {
    put(data.diagnosticRaised);
    return data;
  });
  const [resolved, resolve] = useMutation(ResolveAlertDocument);
  const now = useNow(10_000);
  const open = [...alerts.values()]
    .filter((alert) => alert.resolvedAt === null)
    .toSorted(
      (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || b.lastSeenAt.localeCompare(a.lastSeenAt),
    );
  return (
    <section className="page" aria-label="Open alerts">
      <Problem text={error?.message ?? resolved.error?.message} />
      {open.length === 0 && error === undefined && <Empty>Nothing is wrong that the gateway knows of.</Empty>}
      <ul className="cards">
        {open.map((alert) => (
          <li key={alert.id} className="card alert">
            <Chip tone={TONES[alert.severity]}>{words(alert.severity)}</Chip>
            <div>
              <b>{alert.message}</b>
              {alert.action !== null && <p>{alert.action}</p>}
              <span className="muted">
                {alert.code}
                {alert.tenantId !== null && ` · ${alert.tenantId}`} ·{' '}
                {alert.count === 1 ? 'once' : `${alert.count} times`} since {dayAndTime(alert.firstSeenAt)}, last{' '}
                {relative(alert.lastSeenAt, now)}
              </span>
            </div>
            {/* A tenant's people see what is wrong; the gateway's resolve it. */}
            {manyTenants && (
              <button
                onClick={() =>
                  void resolve({ id: alert.id }).then(({ data }) => data !== undefined && put(data.resolveDiagnostic))
                }
              >
                Resolved
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
