// A receiver of Trunkline's webhooks: verifies every delivery, and does the work of an event once.
//   npm install standardwebhooks
//   WEBHOOK_SECRETS="whsec_new whsec_old" PORT=9000 node webhook-receiver.mjs
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const MAX_BYTES = 1024 * 1024;
// During a rotation both secrets are accepted; afterwards remove the old one.
const webhooks = (process.env.WEBHOOK_SECRETS ?? '')
  .split(' ')
  .filter(Boolean)
  .map((secret) => new Webhook(secret));
if (webhooks.length === 0) throw new Error('WEBHOOK_SECRETS is empty');
// A table with the event id as its primary key, in the transaction of the work: here memory stands for it.
const seen = new Set();

function verified(body, headers) {
  for (const webhook of webhooks) {
    try {
      // Also refuses timestamps that are more than five minutes off, so that nobody can replay old deliveries.
      return webhook.verify(body, headers);
    } catch {}
  }
  return null;
}

const server = createServer(async (request, response) => {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BYTES) return response.writeHead(413).end();
    chunks.push(chunk);
  }
  // The signature covers the bytes as they came: verify before parsing.
  const event = verified(Buffer.concat(chunks).toString('utf8'), request.headers);
  if (event === null) return response.writeHead(401).end();
  // The same event comes again when an answer was lost. Say yes, do nothing.
  if (!seen.has(event.id)) {
    seen.add(event.id);
    // Put longer work into a queue: the gateway waits 15 seconds for an answer.
    console.log(event.event, event.id, JSON.stringify(event.data));
  }
  response.writeHead(204).end();
});
server.listen(Number(process.env.PORT ?? 9000), () => console.log(`listening on ${server.address().port}`));
