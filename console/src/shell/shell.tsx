import { useMemo, useState, type ReactNode } from 'react';
import { useQuery } from 'urql';
import { AlertsScreen } from '../alerts/alerts-screen.js';
import { CallbacksScreen } from '../callbacks/callbacks-screen.js';
import type { ConsoleClient } from '../client.js';
import { ConsoleProvider, useConnection, useConsole } from '../context.js';
import { TenantNamesDocument, WhoamiDocument } from '../generated/graphql.js';
import { LiveScreen } from '../live/live-screen.js';
import { ReviewScreen } from '../review/review-screen.js';
import { hrefOf, SCREENS, useRoute, type Screen } from '../route.js';
import type { Session } from '../session.js';
import { Empty, Problem } from './parts.js';
import { StatusStrip } from './status-strip.js';

const TITLES: Record<Screen, string> = {
  live: 'Live calls',
  review: 'Review',
  callbacks: 'Callbacks',
  alerts: 'Alerts',
};

/** What surrounds every screen: who is here, which tenant is looked at, and how things stand. */
export function Shell({ session, client, onLeave }: { session: Session; client: ConsoleClient; onLeave: () => void }) {
  const { screen, id } = useRoute();
  const [chosen, setChosen] = useState<string | null>(null);
  const [{ data, error }] = useQuery({ query: WhoamiDocument });
  const viewer = data?.viewer;
  const manyTenants = viewer?.kind === 'ADMIN';
  const context = useMemo(() => {
    const scopes = new Set(viewer?.scopes);
    const may = (...wanted: string[]): boolean => wanted.every((scope) => scopes.has(scope));
    return { session, client, tenantId: chosen, manyTenants, may };
  }, [session, client, chosen, manyTenants, viewer]);
  if (viewer === undefined) return <Waiting problem={error?.message ?? null} onLeave={onLeave} />;
  return (
    <ConsoleProvider value={context}>
      <header className="top">
        <strong className="brand">Trunkline</strong>
        <nav aria-label="Screens">
          {SCREENS.map((name) => (
            <a key={name} href={hrefOf(name)} aria-current={name === screen ? 'page' : undefined}>
              {TITLES[name]}
            </a>
          ))}
        </nav>
        {manyTenants ? <TenantChoice chosen={chosen} onChoose={setChosen} /> : <span>{viewer.tenantId}</span>}
        <span className="muted">{viewer.name}</span>
        <button className="link" onClick={onLeave}>
          Log out
        </button>
      </header>
      <ConnectionBanner />
      {context.may('operations:read') && <StatusStrip />}
      <main className="screen">
        {context.may(...NEEDS[screen]) ? SCREEN[screen](id) : <NotShown screen={screen} />}
      </main>
    </ConsoleProvider>
  );
}

const SCREEN: Record<Screen, (id: string | null) => ReactNode> = {
  live: (id) => <LiveScreen sessionId={id} />,
  review: (id) => <ReviewScreen sessionId={id} />,
  callbacks: () => <CallbacksScreen />,
  alerts: () => <AlertsScreen />,
};

/** Without these a screen would show nothing but refusals. */
const NEEDS: Record<Screen, readonly string[]> = {
  live: ['live:read', 'sessions:read'],
  review: ['live:read', 'sessions:read'],
  callbacks: ['operations:read'],
  alerts: ['operations:read'],
};

function NotShown({ screen }: { screen: Screen }) {
  const { may } = useConsole();
  const missing = NEEDS[screen].filter((scope) => !may(scope));
  return (
    <Empty>
      This key does not show {TITLES[screen].toLowerCase()}: it lacks {missing.join(' and ')}.
    </Empty>
  );
}

function Waiting({ problem, onLeave }: { problem: string | null; onLeave: () => void }) {
  if (problem === null) return <p className="empty">Loading …</p>;
  return (
    <main className="login">
      <div className="card">
        <Problem text={problem} />
        <button onClick={onLeave}>Log in again</button>
      </div>
    </main>
  );
}

function TenantChoice({ chosen, onChoose }: { chosen: string | null; onChoose: (id: string | null) => void }) {
  const [{ data }] = useQuery({ query: TenantNamesDocument });
  return (
    <select
      aria-label="Tenant"
      value={chosen ?? ''}
      onChange={({ target }) => onChoose(target.value === '' ? null : target.value)}
    >
      <option value="">All tenants</option>
      {data?.tenants.edges.map(({ node }) => (
        <option key={node.id} value={node.id}>
          {node.name}
        </option>
      ))}
    </select>
  );
}

/** Figures that stand still look like a quiet shift; this says that they are only old. */
function ConnectionBanner() {
  const state = useConnection();
  if (state === 'connected') return null;
  return (
    <p className="banner" role="status">
      {state === 'refused'
        ? 'The gateway refuses this session. Log in again.'
        : 'No connection to the gateway: what is shown may be old. Trying again …'}
    </p>
  );
}
