"""A receiver of Trunkline's webhooks: verifies every delivery, and does the work of an event once.

    WEBHOOK_SECRETS="whsec_new whsec_old" PORT=9000 python3 webhook_receiver.py

It needs the standard library only. `pip install standardwebhooks` gives `Webhook(secret).verify(body, headers)` instead
of `verified`.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BYTES = 1024 * 1024
TOLERANCE_SECONDS = 5 * 60
# During a rotation both secrets are accepted; afterwards remove the old one.
KEYS = [base64.b64decode(secret.removeprefix("whsec_")) for secret in os.environ["WEBHOOK_SECRETS"].split()]
# A table with the event id as its primary key, in the transaction of the work: here memory stands for it.
seen: set[str] = set()


def verified(body: bytes, headers) -> bool:
    """Standard Webhooks: HMAC-SHA256 over "id.timestamp.body", any of the signatures with any of the keys."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    # Nobody can replay old deliveries.
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    given = [part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")]
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in KEYS]
    return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if length > MAX_BYTES:
            return self.answer(413)
        # The signature covers the bytes as they came: verify before parsing.
        body = self.rfile.read(length)
        if not verified(body, self.headers):
            return self.answer(401)
        event = json.loads(body)
        # The same event comes again when an answer was lost. Say yes, do nothing.
        if event["id"] not in seen:
            seen.add(event["id"])
            # Put longer work into a queue: the gateway waits 15 seconds for an answer.
            print(event["event"], event["id"], json.dumps(event["data"]), flush=True)
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "9000"))), Receiver)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()
