"""Temporal: a fan and a chain of activities on its development server, done by a worker process."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import asyncio
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.peers import protocol, servers

QUEUE = "peer"
SHARE = 50
ONCE = {"start_to_close_timeout": timedelta(minutes=10)}
SERVER = (
    *("server", "start-dev"),
    *("--ip", "127.0.0.1", "--headless", "--log-level", "error"),
    *("--dynamic-config-value", "frontend.enableServerVersionCheck=false"),
)
DURABLE = (
    "Nothing outlives the development server, which keeps every workflow's history in memory (its default; with its state in a file it is "
    "slower); a worker that dies loses nothing, for each step is in the history before the next one is begun."
)


@activity.defn
async def same(number: int) -> int:
    """A task of the fan."""
    return number


@activity.defn
async def joined(numbers: list[int]) -> int:
    """The join: it is given all results."""
    return len(set(numbers))


@activity.defn
async def raised(number: int) -> int:
    """A link of the chain."""
    return number + 1


@workflow.defn
class Share:
    """Some of a fan's tasks: one workflow may not have more than 2 000 pending, so that a wide fan is one of child workflows."""

    @workflow.run
    async def run(self, first: int, count: int) -> list[int]:
        """Their results."""
        return await asyncio.gather(*(workflow.execute_activity(same, number, **ONCE) for number in range(first, first + count)))


@workflow.defn
class Fan:
    """The whole fan, joined."""

    @workflow.run
    async def run(self, count: int) -> int:
        """What the join says."""
        shares = [
            workflow.execute_child_workflow(Share.run, args=[first, min(SHARE, count - first)], id=f"{workflow.info().workflow_id}-{first}")
            for first in range(0, count, SHARE)
        ]
        return await workflow.execute_activity(joined, [number for share in await asyncio.gather(*shares) for number in share], **ONCE)


@workflow.defn
class Chain:
    """One activity after the other."""

    @workflow.run
    async def run(self, count: int) -> int:
        """What the last one says."""
        number = 0
        for _ in range(count):
            number = await workflow.execute_activity(raised, number, **ONCE)
        return number


async def work(address: str) -> None:
    """The worker, until it is ended."""
    await Worker(
        await Client.connect(address),
        task_queue=QUEUE,
        workflows=[Fan, Share, Chain],
        activities=[same, joined, raised],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ).run()


def settings(temporal: Path) -> dict[str, object]:
    """What to know of it, its server's version included."""
    answer = subprocess.run([temporal, "--version"], capture_output=True, text=True, check=True)
    return {
        "server": answer.stdout.strip(),
        "storage": "in memory",
        "activities of one child workflow": SHARE,
        "worker": "one process, workflows without the sandbox, everything else its default",
    }


def main() -> None:
    """A server and a worker, and this program as their client."""
    asked = protocol.asked(__doc__)
    port = servers.free_port()
    address = f"127.0.0.1:{port}"
    temporal = Path(sys.executable).with_name("temporal")
    about = protocol.About("temporal", "temporalio", DURABLE, settings(temporal))
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner() as runner:
        root = Path(directory)
        env = {"TEMPORAL_VERSION_CHECK_DISABLED": "1", "HOME": directory}
        server = [temporal, *SERVER, "--port", str(port)]
        worker = [sys.executable, "-m", "benchmarks.peers.temporal", address]
        with (
            servers.running(server, log=root / "server.log", env=env, ready=lambda: servers.listens(port)),
            servers.running(worker, log=root / "worker.log", ready=lambda: True),
        ):
            client = runner.run(Client.connect(address))

            def run(flow: type, count: int) -> int:
                return runner.run(client.execute_workflow(flow.run, count, id=uuid.uuid4().hex, task_queue=QUEUE))

            protocol.measure(about, asked, fan=lambda count: run(Fan, count), chain=lambda count: run(Chain, count))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        asyncio.run(work(sys.argv[1]))
    else:
        main()
