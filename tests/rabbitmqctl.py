"""RabbitMQ's own tool for the private nodes of tests: what the protocol does not tell, and faults that only the node itself can make."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from taskgrove.local.parts import Program, find_rabbitmq

SECONDS = 60.0


async def rabbitmqctl(directory: Path, *args: str, epmd: int) -> str:
    """Run it on the node over `directory`. Raises AssertionError with what it said when it fails."""
    part = find_rabbitmq()
    assert isinstance(part, Program), "rabbitmqctl needs an installed RabbitMQ, not a container"
    env = {
        "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": str(directory), "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_NODENAME": "taskgrove@localhost", "RABBITMQ_CONF_ENV_FILE": os.devnull,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *(str(part.path.resolve().parent / "rabbitmqctl"), "--quiet", *args),
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, f"rabbitmqctl {' '.join(args)}: {said.decode()}"
    return said.decode()


async def queues(directory: Path, *, epmd: int) -> dict[str, int]:
    """How many messages each queue answers for: those that wait, and those that were delivered and are not acked."""
    rows: list[dict[str, Any]] = json.loads(await rabbitmqctl(directory, "list_queues", "--formatter=json", "name", "messages", epmd=epmd))
    return {row["name"]: row["messages"] for row in rows}
