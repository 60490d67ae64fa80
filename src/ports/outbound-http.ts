/**
 * Requests to addresses that tenants chose (webhook endpoints, tools): no redirects, a limit on time and size, and no
 * private address unless the installation allows it, checked at every connect so that DNS cannot change in between.
 */
export interface OutboundHttp {
  /** Throws {@link OutboundHttpError} when there is no complete answer. */
  request(request: OutboundRequest): Promise<OutboundResponse>;
  close(): Promise<void>;
}

export interface OutboundRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** For everything: name, connect, answer, body. */
  timeoutMs: number;
  /** Reading stops here; `truncated` says so. */
  maxResponseBytes: number;
  signal?: AbortSignal;
}

export interface OutboundResponse {
  status: number;
  headers: Record<string, string>;
  /** UTF-8, invalid bytes replaced. */
  body: string;
  truncated: boolean;
  latencyMs: number;
}

export class OutboundHttpError extends Error {
  constructor(
    readonly kind: 'forbidden_address' | 'timeout' | 'connect' | 'aborted',
    message: string,
    readonly latencyMs: number,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'OutboundHttpError';
  }
}
