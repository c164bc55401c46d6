"""On what the figures were taken: they mean nothing elsewhere."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import psutil

from benchmarks.stack import Bench
from benchmarks.watching import spent


@dataclass(frozen=True, slots=True)
class Machine:
    """What the report says of it."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    mongodb: str
    rabbitmq: str
    filesystem: str
    at: datetime

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.cores} cores of {self.processor}, {self.memory_gib} GiB of memory, {self.system}",
            f"Python {self.python}, MongoDB {self.mongodb} (one node, majority and journaled), RabbitMQ {self.rabbitmq} (quorum queues)",
            f"data on {self.filesystem}; broker, store, services and the client of this benchmark share the machine",
        ]


async def describe(bench: Bench) -> Machine:
    """This machine, and what runs on it."""
    server = await bench.documents.client.server_info()
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        mongodb=str(server["version"]),
        rabbitmq=await _rabbitmq(bench.broker_url),
        filesystem=_filesystem(bench.stack.home.root),
        at=datetime.now(UTC),
    )


class Weather:
    """What else went on while something was measured."""

    def __init__(self) -> None:
        self._since = _processor_seconds()

    def others(self) -> float:
        """Percent of the machine that went to anything but this benchmark and what it started, since this was made.

        0 where the machine's own count has not gone on: that of a virtual one stands still at times.
        """
        (whole, busy, ours), (whole_now, busy_now, ours_now) = self._since, _processor_seconds()
        passed = whole_now - whole
        return 100 * max(0.0, busy_now - busy - (ours_now - ours)) / passed if passed > 0 else 0.0


def _processor_seconds() -> tuple[float, float, float]:
    """Of all processors since the machine started, busy or not; of them busy; and of our processes, with those that have ended."""
    times = psutil.cpu_times()
    whole = sum(times) - times.guest - times.guest_nice
    here = psutil.Process()
    ours = sum(spent(process) for process in (here, *here.children(recursive=True)))
    return whole, whole - times.idle - times.iowait, ours


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


async def _rabbitmq(url: str) -> str:
    async with await aio_pika.connect(url) as connection:
        properties = connection.transport.connection.server_properties if connection.transport else {}
        version = properties.get("version", "unknown")
        return version.decode() if isinstance(version, bytes) else str(version)


def _filesystem(directory: Path) -> str:
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
