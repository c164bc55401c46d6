"""The processes that tasks of the agent shell start, as the operating system sees them."""

import os

import psutil

from tests.integration.house import House


async def process_of(house: House, run_id: str) -> psutil.Process | None:
    """The process of a script that wrote its number into the file `pid`."""
    for path in (house.directory / "work").glob(f"executor-*/{run_id}*/*/pid"):
        if text := path.read_text().strip():
            return psutil.Process(int(text))
    return None


async def at_rest(process: psutil.Process) -> bool:
    """Whether it is stopped, as SIGSTOP does it."""
    return bool(process.status() == psutil.STATUS_STOPPED)


async def gone(group: int) -> bool:
    """Whether no process of the group is left."""
    return not [one for one in psutil.process_iter(["pid"]) if _group_of(one) == group and one.status() != psutil.STATUS_ZOMBIE]


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None
