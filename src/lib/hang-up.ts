/** What of a WebSocket is needed to end it; `ws` fits. */
interface Closable {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  close(code: number, reason: string): void;
  terminate(): void;
}

const CLOSING = 2;
const CLOSED = 3;

/** Closes politely, and for certain: a peer that has not answered the close after `patienceMs` is cut off. */
export function hangUp(socket: Closable, { code, reason }: { code: number; reason: string }, patienceMs: number): void {
  if (socket.readyState === CLOSED) return;
  if (socket.readyState !== CLOSING) socket.close(code, reason);
  setTimeout(() => socket.terminate(), patienceMs).unref();
}
