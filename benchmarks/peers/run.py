"""Install the peers, each into an environment of its own, and measure them: what `python -m benchmarks.peers` and the benchmarks call."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from benchmarks.peers.servers import find
from shared.errors import BadInput, MissingPart, TaskgroveError, Unavailable

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
ROOT = REPOSITORY / ".bench-peers"
DONE = ".installed"
STOP_SECONDS = 20.0
TAIL = 3_000


@dataclass(frozen=True, slots=True)
class Peer:
    """A system that is measured. `programs`: what it needs that no Python package carries, each with Debian's package that does."""

    what: str
    programs: dict[str, str] = field(default_factory=dict)


PEERS = {
    "celery": Peer("chord and chain through RabbitMQ, results in MongoDB"),
    "dbos": Peer("durable steps of a workflow, on PostgreSQL", {"postgres": "postgresql"}),
    "dramatiq": Peer("group and pipeline through RabbitMQ, results in Redis", {"redis-server": "redis-server"}),
    "langgraph": Peer("a graph in one process with its MongoDB checkpointer, no broker"),
    "prefect": Peer("mapped tasks in one process, beside its own server with SQLite"),
    "temporal": Peer("activities of workflows, on its development server"),
}


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """What one round of one peer gave. `durable` and `settings` are the peer's own words about how it was run."""

    peer: str
    version: str
    fan_tasks: int
    fan_seconds: float
    chain_links: int
    chain_seconds: float
    durable: str
    settings: dict[str, Any]

    @property
    def tasks_per_second(self) -> float:
        """Of the fan."""
        return self.fan_tasks / self.fan_seconds

    @property
    def ms_per_link(self) -> float:
        """Of the chain."""
        return 1e3 * self.chain_seconds / self.chain_links


def environment(name: str, root: Path = ROOT) -> Path:
    """Where a peer's environment is or would be: each lock has a place of its own. Raises BadInput for a name that is none."""
    if name not in PEERS:
        raise BadInput(f"There is no peer {name}; there are {', '.join(PEERS)}.")
    return root / f"{name}-{hashlib.sha256(_lock(name).read_bytes()).hexdigest()[:12]}"


def lacking(name: str, root: Path = ROOT) -> str | None:
    """What to do before this peer can be measured, or None if it can."""
    place = environment(name, root)
    packages = [package for program, package in PEERS[name].programs.items() if not find(program)]
    ways = [f"sudo apt-get install --no-install-recommends {' '.join(packages)}"] if packages else []
    if not (place / DONE).exists():
        ways.append(f"python -m benchmarks.peers install {name}" + ("" if root == ROOT else f" --root {root}"))
    return " && ".join(ways) or None


def installed(name: str, root: Path = ROOT) -> bool:
    """Whether its environment is complete, and every program that it needs is there."""
    return lacking(name, root) is None


def install(name: str, root: Path = ROOT) -> Path:
    """Make a peer's environment from its lock, unless it is there; where it is. Those of other locks of this peer go."""
    place = environment(name, root)
    if (place / DONE).exists():
        return place
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob(f"{name}-*"):
        shutil.rmtree(old)
    python = str(place / "bin" / "python")
    _uv("venv", "--python", sys.executable, str(place))
    _uv("pip", "install", "--python", python, "--require-hashes", "--requirements", str(_lock(name)))
    (place / DONE).touch()
    return place


async def measure(name: str, *, fan: int, chain: int, broker_url: str, store_url: str, timeout: float, root: Path = ROOT) -> PeerFigures:
    """One round of one peer: `fan` tasks joined and `chain` links, in at most `timeout` seconds, the start of its own servers included.

    Raises MissingPart when it is not installed, and TaskgroveError when it fails or takes longer; nothing of it runs on.
    """
    if missing := lacking(name, root):
        raise MissingPart(f"The peer {name} is not installed. Get it with: {missing}")
    options = {"--fan": str(fan), "--chain": str(chain), "--broker-url": broker_url, "--store-url": store_url}
    program = (str(environment(name, root) / "bin" / "python"), "-m", f"benchmarks.peers.{name}")
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *program,
            *(word for option in options.items() for word in option),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=REPOSITORY,
            env=_variables(),
            start_new_session=True,
        )
        late = not await _ends(process, timeout)
        output.seek(0)
        errors.seek(0)
        if late or process.returncode:
            reason = f"was not done after {timeout:.0f} s" if late else f"ended with status {process.returncode}"
            raise TaskgroveError(f"The peer {name} {reason}.\n{errors.read().decode(errors='replace').strip()[-TAIL:]}")
        return _figures(output.read())


async def _ends(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether it ends by itself in that time. If not it is asked to, and then all is killed that still runs of what it started."""
    try:
        return await _waited(process, seconds)
    finally:
        if process.returncode is None:
            process.terminate()
            await _waited(process, STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _waited(process: asyncio.subprocess.Process, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()
    return process.returncode is not None


def _figures(output: bytes) -> PeerFigures:
    line = json.loads(output.splitlines()[-1])
    fan, chain = line["fan"], line["chain"]
    return PeerFigures(
        peer=line["peer"],
        version=line["version"],
        fan_tasks=fan["tasks"],
        fan_seconds=fan["seconds"],
        chain_links=chain["links"],
        chain_seconds=chain["seconds"],
        durable=line["durable"],
        settings=line["settings"],
    )


def _variables() -> dict[str, str]:
    """Ours, without what tells our interpreter from others."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**ours, "PYTHONDONTWRITEBYTECODE": "1"}


def _lock(name: str) -> Path:
    return HERE / f"{name}.txt"


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise MissingPart("uv is missing: make install, or python -m pip install uv")
    tried = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Unavailable(f"uv {' '.join(arguments)} failed: {tried.stderr.strip()[-TAIL:]}")
