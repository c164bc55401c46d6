"""Prefect: a flow of tasks, mapped and one after the other, beside its own server with SQLite."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import os
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

from benchmarks.peers import protocol, servers

THREADS = 8
ENV = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
SETTINGS = {
    "server": "one process of its own, SQLite",
    "task_runner": f"ThreadPoolTaskRunner(max_workers={THREADS}), in one process",
    "tasks": "neither cached nor logged to the server",
}
DURABLE = (
    "The states of tasks are sent to the server in the background and written to SQLite there, also after the flow has ended; "
    "results stay in the one process that does everything (its default), and end with it."
)


def flows() -> tuple[protocol.Work, protocol.Work]:
    """The fan and the chain. Prefect reads its settings from the environment when it is imported, so that comes late."""
    from prefect import flow, task  # noqa: PLC0415
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415
    from prefect.task_runners import ThreadPoolTaskRunner  # noqa: PLC0415

    @task(cache_policy=NO_CACHE)
    def same(number: int) -> int:
        return number

    @task(cache_policy=NO_CACHE)
    def joined(numbers: list[int]) -> int:
        return len(set(numbers))

    @task(cache_policy=NO_CACHE)
    def raised(number: int) -> int:
        return number + 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=THREADS))
    def fan(count: int) -> int:
        return joined(same.map(range(count)).result())

    @flow
    def chain(count: int) -> int:
        number = 0
        for _ in range(count):
            number = raised(number)
        return number

    return fan, chain


def healthy(url: str) -> bool:
    """Whether the server answers."""
    with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 (our own server)
        return answer.status == 200
    return False


def main() -> None:
    """A server, and this program as the process in which the flows run."""
    asked = protocol.asked(__doc__)
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}/api"
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(ENV, PREFECT_HOME=directory, PREFECT_API_URL=url)
        server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with servers.running(server, log=Path(directory) / "server.log", ready=lambda: healthy(url)):
            fan, chain = flows()
            protocol.measure(protocol.About("prefect", "prefect", DURABLE, SETTINGS), asked, fan=fan, chain=chain)


if __name__ == "__main__":
    main()
