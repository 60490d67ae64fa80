/** Twilio's request signatures (protocols.md, part B): base64(HMAC-SHA1(token, url + sorted name/value pairs)). */
export interface WebhookSignatures {
  /**
   * True when one of `authTokens` made `signature`. `url` is exactly what Twilio requested, on the public origin, query
   * included and without a fragment. Never throws, whatever the request holds.
   */
  verify(request: SignedRequest): boolean;
}

export interface SignedRequest {
  authTokens: readonly string[];
  signature: string | undefined;
  url: string;
  /** Decoded form fields; a repeated name holds a list. Empty for an upgrade. */
  params: Record<string, string | string[]>;
  /** The raw body of a JSON request, whose hash stands in the URL; null for forms. */
  rawBody?: string | null;
}
