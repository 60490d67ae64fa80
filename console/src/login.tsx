import { useState, type FormEvent } from 'react';
import { fieldsOf } from './shell/fields.js';
import { refusalOf } from './client.js';
import { logIn, logInWithKey, type Session } from './session.js';
import { Problem } from './shell/parts.js';

/** A password for people; a key for who has none, a tenant's supervisor among them. */
export function Login({ onSession }: { onSession: (session: Session) => void }) {
  const [withKey, setWithKey] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    const text = fieldsOf(event);
    setBusy(true);
    const entering = withKey ? logInWithKey(text('key'), refusalOf) : logIn(text('username'), text('password'));
    entering.then(onSession, (error: unknown) => setProblem((error as Error).message)).finally(() => setBusy(false));
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
        <Problem text={problem} />
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
