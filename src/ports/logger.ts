/**
 * Structured logging. Messages are static sentences; what varies goes into fields
 * (`requestId`, `tenantId`, `callId`, `sessionId`). Phone numbers, keys and transcripts never do.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** Says nothing; for tests and tools. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
