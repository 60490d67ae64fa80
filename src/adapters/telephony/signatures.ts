import { validateRequest, validateRequestWithBody } from 'twilio/lib/webhooks/webhooks.js';
import type { SignedRequest, WebhookSignatures } from '../../ports/webhook-signature.js';

/** {@link WebhookSignatures} by Twilio's own package. */
export const twilioSignatures: WebhookSignatures = {
  verify({ authTokens, signature, url, params, rawBody }: SignedRequest): boolean {
    if (signature === undefined || signature === '') return false;
    return authTokens.some((token) => {
      try {
        return rawBody == null
          ? validateRequest(token, signature, url, params)
          : validateRequestWithBody(token, signature, url, rawBody);
      } catch {
        // The package throws for URLs and bodies that it cannot read; those are not signed by Twilio.
        return false;
      }
    });
  },
};
