"""A service as the supervisor sees one: ready at once, ends on SIGTERM, and dies at its start where FAKE_BROKEN names it."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""


if os.environ.get("FAKE_BROKEN") == sys.argv[1]:
    sys.exit("TASKGROVE_SETTING is wrong")
print({name: value for name, value in os.environ.items() if name.startswith("TASKGROVE_")}, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer((os.environ["TASKGROVE_HTTP_HOST"], int(os.environ["TASKGROVE_HTTP_PORT"])), Ready).serve_forever()
