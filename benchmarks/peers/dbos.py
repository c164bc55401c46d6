"""DBOS: a workflow of durable steps, all at once and one after the other, on a private PostgreSQL."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbos import DBOS

from benchmarks.peers import protocol, servers

POOL = 20
USER = "peer"
UNPRIVILEGED = "postgres"
DURABLE = (
    "Each step's result is committed to PostgreSQL, synchronously, before the step is over; a workflow that was cut off goes on from there."
)


@DBOS.step()
async def same(number: int) -> int:
    """A task of the fan."""
    return number


@DBOS.step()
async def joined(numbers: list[int]) -> int:
    """The join: it is given all results."""
    return len(set(numbers))


@DBOS.step()
async def raised(number: int) -> int:
    """A link of the chain."""
    return number + 1


@DBOS.workflow()
async def fan(count: int) -> int:
    """All steps at once, then the join."""
    return await joined(await asyncio.gather(*(same(number) for number in range(count))))


@DBOS.workflow()
async def chain(count: int) -> int:
    """One step after the other."""
    number = 0
    for _ in range(count):
        number = await raised(number)
    return number


def program(name: str) -> Path:
    """One of PostgreSQL's."""
    found = servers.find("postgres")
    if found is None:
        sys.exit("PostgreSQL is missing: sudo apt-get install --no-install-recommends postgresql")
    return found.with_name(name)


@contextmanager
def postgres(root: Path) -> Iterator[str]:
    """A private PostgreSQL below `root`; its URL. It refuses to run as root, so root runs it as somebody else."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    data, port = root / "data", servers.free_port()
    data.mkdir()
    if user:
        root.chmod(0o755)
        shutil.chown(data, user)
    init = [program("initdb"), "--auth=trust", "--username", USER, "--encoding=UTF8", "--no-locale", "--pgdata", data]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd=root, **servers.identity(user))
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    argv = [program("postgres"), "-D", data, *options]
    with servers.running(argv, log=root / "postgres.log", ready=lambda: servers.listens(port), stop=signal.SIGINT, user=user):
        yield f"postgresql://{USER}@127.0.0.1:{port}/peer"


def settings() -> dict[str, object]:
    """What to know of it, PostgreSQL's version included."""
    answer = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True)
    return {
        "server": answer.stdout.strip(),
        "PostgreSQL": "its defaults, fsync and synchronous commit on",
        "fan": "steps of one workflow, awaited together in one process; its queues, in which other processes can take part, are slower",
        "sys_db_pool_size": POOL,
    }


def main() -> None:
    """One process that does everything, and its PostgreSQL."""
    asked = protocol.asked(__doc__)
    about = protocol.About("dbos", "dbos", DURABLE, settings())
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory)) as url, asyncio.Runner() as runner:
        DBOS(
            config={
                "name": "peer",
                "system_database_url": url,
                "sys_db_pool_size": POOL,
                "log_level": "ERROR",
                "run_admin_server": False,
            }
        )
        DBOS.launch()
        try:
            protocol.measure(about, asked, fan=lambda count: runner.run(fan(count)), chain=lambda count: runner.run(chain(count)))
        finally:
            DBOS.destroy()


if __name__ == "__main__":
    main()
