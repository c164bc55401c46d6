"""docker-compose.yml as its users have it: built, up, spoken to by the command line, and taken away again."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskgrove.local.ports import assign

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
KILL_PYTHON = """
import os, signal
for name in os.listdir("/proc"):
    if name.isdigit() and b"services." in open(f"/proc/{name}/cmdline", "rb").read() and int(name) != os.getpid() and int(name) > 1:
        os.kill(int(name), signal.SIGKILL)
"""


@dataclass
class Stack:
    """One project of compose, with a name, a port, secrets and images of its own."""

    directory: Path
    name: str = field(default_factory=lambda: f"taskgrove-test-{secrets.token_hex(4)}")
    port: int = field(default_factory=lambda: assign(["http"], kept={})["http"])

    @property
    def secrets(self) -> Path:
        """The directory of its secrets."""
        return self.directory / "secrets"

    @property
    def env(self) -> dict[str, str]:
        """What compose and the command line are called with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_") or name.endswith("_SANDBOX")}
        own = {"TASKGROVE_SECRETS": str(self.secrets), "TASKGROVE_PORT": str(self.port), "TASKGROVE_TAG": self.name, **_entrypoint()}
        return {**inherited, **own}

    @property
    def key(self) -> str:
        """The admin key."""
        return (self.secrets / "admin_key").read_text()

    def compose(self, *arguments: str, seconds: float = 120, check: bool = True) -> str:
        """`docker compose ARGUMENTS`; what it writes."""
        return run(["docker", "compose", "--project-name", self.name, *arguments], env=self.env, seconds=seconds, check=check)

    def build(self) -> None:
        """Make secrets and images."""
        run([str(ROOT / "scripts/compose-secrets"), str(self.secrets)], env=self.env)
        with timed("building the images"):
            self.compose("build", "--quiet", seconds=900)

    def up(self) -> None:
        """Start, and come back when all are ready."""
        with timed("docker compose up --wait"):
            try:
                self.compose("up", "--detach", "--wait", "--wait-timeout", "180", seconds=240)
            except AssertionError:
                print(self.compose("ps", "--all", check=False), self.compose("logs", "--tail", "30", check=False), sep="\n")
                raise

    def remove(self) -> None:
        """Containers, networks, volumes, and the images of this project."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
        run(["docker", "image", "rm", "--force", *(self.image(service) for service in SERVICES)], check=False)

    def image(self, service: str) -> str:
        """The image of one of the five."""
        return f"taskgrove/{service}:{self.name}"

    def container(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", *ids]))
        return found[0]

    def is_healthy(self, service: str) -> bool:
        """Whether its health check says so."""
        return bool(self.container(service)["State"]["Health"]["Status"] == "healthy")

    def kill(self, service: str) -> None:
        """`docker kill`: at once, and for good until somebody starts it."""
        run(["docker", "kill", self.container(service)["Id"]])

    def crash(self, service: str) -> None:
        """End the process in the container, as the kernel does when memory is short."""
        self.compose("exec", "--no-TTY", service, "/opt/taskgrove/bin/python", "-c", KILL_PYTHON, check=False)

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """`taskgrove ARGUMENTS` against the published port, from outside."""
        env = {**self.env, "PYTHONPATH": str(ROOT), "TASKGROVE_API": f"http://127.0.0.1:{self.port}", "TASKGROVE_KEY": self.key}
        command = [sys.executable, "-m", "taskgrove.cli.main", *arguments]
        return subprocess.Popen(
            command, env=env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def cli(self, *arguments: str, seconds: float = 180) -> str:
        """`taskgrove ARGUMENTS` to its end; what it writes."""
        process = self.spawn(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            process.kill()
        assert process.returncode == 0, f"taskgrove {' '.join(arguments)}: {out}{err}"
        return out


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints how long something took."""
    start = time.monotonic()
    yield
    print(f"\n{what} took {time.monotonic() - start:.1f} s")


def run(command: list[str], *, env: dict[str, str] | None = None, seconds: float = 60, check: bool = True) -> str:
    """What a command writes, in bounded time."""
    ended = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or ended.returncode == 0, f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout if check else ended.stdout + ended.stderr


def until(look: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait until `look` finds something."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.3)


def _entrypoint() -> dict[str, str]:
    """The entrypoint of the MongoDB image at hand, where that is not the official one."""
    image = os.environ.get("MONGO_IMAGE", "mongo:7")
    asked = run(["docker", "image", "inspect", "--format", "{{json .Config.Entrypoint}}", image], check=False)
    last = json.loads(asked)[-1] if asked.startswith("[") else ""
    return {"MONGO_ENTRYPOINT": last} if last.startswith("/") else {}
