import { useSyncExternalStore } from 'react';

export const SCREENS = ['live', 'review', 'callbacks', 'alerts'] as const;
export type Screen = (typeof SCREENS)[number];

/** Where the console stands: `#/live/<session id>`. */
export interface Route {
  screen: Screen;
  /** What is open on the screen. */
  id: string | null;
}

export const hrefOf = (screen: Screen, id?: string): string => `#/${screen}${id === undefined ? '' : `/${id}`}`;

export function parseRoute(hash: string): Route {
  const [, screen, id] = /^#\/([a-z]+)(?:\/([\w-]+))?$/.exec(hash) ?? [];
  return SCREENS.includes(screen as Screen)
    ? { screen: screen as Screen, id: id ?? null }
    : { screen: 'live', id: null };
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  return parseRoute(hash);
}

function onHashChange(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
