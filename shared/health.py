"""`python -m shared.health`: exit status 0 when the service of this container is ready, else 1 and what is missing. For health checks."""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4.0
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)


def problem(host: str, port: int) -> str:
    """What /readyz says is missing; empty when nothing is."""
    connection = HTTPConnection("127.0.0.1" if host in EVERYWHERE else host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return "" if answer.status == 200 else answer.read(2_000).decode(errors="replace")  # noqa: PLR2004 (HTTP's OK)
    except (OSError, HTTPException) as error:
        return f"no answer from {host}:{port}: {error}"
    finally:
        connection.close()


def main() -> None:
    """Ask this container's service, at the address that its settings give."""
    port = int(os.environ.get("TASKGROVE_HTTP_PORT") or 0)
    found = problem(os.environ.get("TASKGROVE_HTTP_HOST") or "127.0.0.1", port) if port else "set TASKGROVE_HTTP_PORT to a fixed port"
    if found:
        sys.exit(found)


if __name__ == "__main__":
    main()
