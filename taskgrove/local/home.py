"""The data directory: where it is, what lies where in it, and the checks before anything is started on it."""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from shared.errors import AlreadyRunning, BadInput

LEAST_FREE_BYTES = 200 * 1024 * 1024
LEAST_FREE_IN_MEMORY = 1024 * 1024 * 1024
KEPT_LOGS = 3


@dataclass(frozen=True)
class Home:
    """Paths below one data directory."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by who runs on the directory, from the first moment of its start to its end."""
        return self.root / "lock"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def keys(self) -> Path:
        """API keys that the approvals service takes over at its start; the command line reads its own from here."""
        return self.root / "keys.json"

    @property
    def credentials(self) -> Path:
        """Passwords of broker and store by user; their services get one each."""
        return self.root / "credentials.json"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def work(self) -> Path:
        """Where tasks run and checks look."""
        return self.root / "work"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"


def default_home() -> Path:
    """`$TASKGROVE_HOME`, or `taskgrove` where this user's programs keep data (XDG: ~/.local/share)."""
    if given := os.environ.get("TASKGROVE_HOME"):
        return Path(given)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "taskgrove"


def throw_away_home() -> Path:
    """A fresh directory, in memory where the machine has enough of it (a container's /dev/shm is 64 MB, in which a broker halts)."""
    memory = Path("/dev/shm")  # noqa: S108 (mkdtemp makes a private directory in it)
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= LEAST_FREE_IN_MEMORY
    return Path(tempfile.mkdtemp(prefix="taskgrove-", dir=memory if roomy else None))


def prepare(root: Path) -> Home:
    """Make the directory, for this user only, and refuse it if it is nearly full."""
    home = Home(root.absolute())
    with clear_errors(home.root):
        home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (home.artifacts, home.work, home.root / "logs"):
            directory.mkdir(exist_ok=True)
        free = shutil.disk_usage(home.root).free
    if free < LEAST_FREE_BYTES:
        raise BadInput(
            f"{home.root} has {free // 2**20} MB free; {LEAST_FREE_BYTES // 2**20} MB are needed to start. "
            "Free some, or set TASKGROVE_HOME to a directory on another disk."
        )
    return home


def lock(home: Home, *, holder: int | None) -> FileLock:
    """Take the directory for this process. The kernel gives it back when we die, however we die."""
    held = FileLock(home.lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        who = f"process {holder}" if holder else "another process"
        raise AlreadyRunning(f"Taskgrove is already running on {home.root} ({who}). To end it: taskgrove down") from None
    return held


@contextmanager
def lock_if_free(home: Home) -> Iterator[bool]:
    """Keep others from starting on the directory while the block lasts; False: somebody holds it already."""
    held = FileLock(home.lock)
    with clear_errors(home.lock):
        try:
            # Where there is no file nobody ever ran, and asking must not make it look as if.
            free = not home.lock.exists() or bool(held.acquire(blocking=False))
        except Timeout:
            free = False
    try:
        yield free
    finally:
        held.release()


def rotate_logs(home: Home) -> None:
    """Begin each log anew; the last few stay as NAME.log.1, .2 and so on."""
    for log in (home.root / "logs").glob("*.log"):
        for age in range(KEPT_LOGS - 1, 0, -1):
            older = log.with_suffix(f".log.{age}")
            if older.exists():
                older.replace(log.with_suffix(f".log.{age + 1}"))
        log.replace(log.with_suffix(".log.1"))


def admin_keys(home: Home) -> Path:
    """The file with this directory's admin API key, made at the first start and readable by its owner only."""
    if not home.keys.exists():
        key = {"name": "local", "key": secrets.token_urlsafe(32), "roles": ["admin"]}
        write_atomically(home.keys, json.dumps([key], indent=2))
    return home.keys


def passwords(home: Home, users: Iterable[str]) -> dict[str, str]:
    """A password for each user of broker and store, made at the first start and readable by the directory's owner only."""
    try:
        kept = json.loads(home.credentials.read_text(encoding="utf-8"))
    except FileNotFoundError:
        kept = {}
    found = {user: kept.get(user) or secrets.token_urlsafe(24) for user in users}
    if found.keys() - kept.keys():
        write_atomically(home.credentials, json.dumps({**kept, **found}, indent=2))
    return found


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old text or the new one, never half. The file is its owner's alone."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with clear_errors(path):
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 (mode at creation)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """What the operating system refuses, said with the way out."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"Cannot write {path}: {error.strerror}. Make room or permission there, or set TASKGROVE_HOME to another directory."
        ) from error
