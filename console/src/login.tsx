import { useState, type FormEvent } from 'react';
import { fieldsOf } from './shell/fields.js';
import { logIn, logInWithKey, type Session } from './session.js';

/** A password for people; a key for who has none, a tenant's supervisor among them. */
export function Login({ onSession }: { onSession: (session: Session) => void }) {
  const [withKey, setWithKey] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    const text = fieldsOf(event);
    if (withKey) return onSession(logInWithKey(text('key')));
    setBusy(true);
    logIn(text('username'), text('password'))
      .then(onSession, (error: unknown) => setProblem((error as Error).message))
      .finally(() => setBusy(false));
  };
  return (
    <main className="login">
      <form onSubmit={submit} className="card">
        <h1>Trunkline</h1>
        {withKey ? (
          <label>
            Tenant or admin key
            <input name="key" type="password" required autoFocus autoComplete="off" />
          </label>
        ) : (
          <>
            <label>
              User name
              <input name="username" required autoFocus autoComplete="username" defaultValue="admin" />
            </label>
            <label>
              Password
              <input name="password" type="password" required autoComplete="current-password" />
            </label>
          </>
        )}
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <button className="primary" disabled={busy}>
          Log in
        </button>
        <button
          type="button"
          className="link"
          onClick={() => {
            setWithKey(!withKey);
            setProblem(null);
          }}
        >
          {withKey ? 'Use a password' : 'Use a key'}
        </button>
      </form>
    </main>
  );
}
