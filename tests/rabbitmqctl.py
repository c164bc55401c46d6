"""RabbitMQ's own tool for the private nodes of tests: what the protocol does not tell, and faults that only the node itself can make."""

import asyncio
import json
from typing import Any

import psutil

from taskgrove.local.parts import Program, find_rabbitmq

SECONDS = 60.0


async def rabbitmqctl(pid: int, *args: str) -> str:
    """Run it for the node with this pid, in the node's own environment. Raises AssertionError with what it said when it fails."""
    part = find_rabbitmq()
    assert isinstance(part, Program), "rabbitmqctl needs an installed RabbitMQ, not a container"
    process = await asyncio.create_subprocess_exec(
        *(str(part.path.resolve().parent / "rabbitmqctl"), "--quiet", *args),
        env=psutil.Process(pid).environ(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, f"rabbitmqctl {' '.join(args)}: {said.decode()}"
    return said.decode()


async def queues(pid: int) -> dict[str, int]:
    """How many messages each queue answers for: those that wait, and those that were delivered and are not acked."""
    rows: list[dict[str, Any]] = json.loads(await rabbitmqctl(pid, "list_queues", "--formatter=json", "name", "messages"))
    return {row["name"]: row["messages"] for row in rows}
