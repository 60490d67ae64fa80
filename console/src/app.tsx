import { useEffect, useState } from 'react';
import { Provider } from 'urql';
import { createConsoleClient, type ConsoleClient } from './client.js';
import { Login } from './login.js';
import { currentSession, logOut, type Session } from './session.js';
import { Shell } from './shell/shell.js';

/** Undefined: not known yet. */
export function App() {
  const [session, setSession] = useState<Session | null | undefined>();
  useEffect(() => {
    currentSession().then(setSession, () => setSession(null));
  }, []);
  if (session === undefined) return <p className="empty">Loading …</p>;
  if (session === null) return <Login onSession={setSession} />;
  return (
    <Console
      session={session}
      onLeave={() => {
        void logOut(session).finally(() => setSession(null));
      }}
    />
  );
}

function Console({ session, onLeave }: { session: Session; onLeave: () => void }) {
  const [client, setClient] = useState<ConsoleClient | null>(null);
  useEffect(() => {
    const created = createConsoleClient(session);
    setClient(created);
    return created.dispose;
  }, [session]);
  if (client === null) return null;
  return (
    <Provider value={client.graphql}>
      <Shell session={session} client={client} onLeave={onLeave} />
    </Provider>
  );
}
