import { createContext, use, useSyncExternalStore } from 'react';
import type { ConnectionState, ConsoleClient } from './client.js';
import type { Session } from './session.js';

/** What every screen knows. */
export interface ConsoleContext {
  session: Session;
  client: ConsoleClient;
  /** Null: every tenant that the viewer may see. */
  tenantId: string | null;
  /** False for a tenant's own people, whose rows all have the same tenant. */
  manyTenants: boolean;
  /** Whether the credential may do everything that needs these scopes. */
  may: (...scopes: string[]) => boolean;
}

const Context = createContext<ConsoleContext | null>(null);
export const ConsoleProvider = Context.Provider;

export function useConsole(): ConsoleContext {
  const context = use(Context);
  if (context === null) throw new Error('a screen stands outside of the console');
  return context;
}

export function useConnection(): ConnectionState {
  const { connection } = useConsole().client;
  return useSyncExternalStore(connection.subscribe, connection.state);
}
