"""Where a process works: in a directory of its own, below one that several may share. What dead processes left there is removed."""

import fcntl
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from shared.artifacts import on_disk
from shared.removal import remove_tree

LOCK = ".lock"

log = structlog.get_logger()


class Workplace:
    """The directory `<who>-<random>` below `root`, made when first asked for. Beside it lies a file that the process holds locked.

    Who gets the lock of another knows that its process is dead, whatever machine it ran on: the system lets go of it.
    """

    def __init__(self, root: Path, who: str) -> None:
        self._root = root
        self._who = who
        self._own: Path | None = None
        self._held: int | None = None
        self._making = threading.Lock()

    def directory(self, name: str) -> Path:
        """The directory of that name in ours, not made yet. Raises StoreUnavailable when the disk is full or gone."""
        with self._making:
            if self._own is None:
                with on_disk(self._root):
                    self._own = self._make()
                threading.Thread(target=self.clear, name="clear work", daemon=True).start()
            return self._own / name

    def clear(self) -> None:
        """Remove what dead processes of this service left."""
        for lock in self._root.glob(f"{self._who}-*{LOCK}"):
            with suppress(OSError):  # it lives, or somebody else removes it
                _remove_dead(lock)

    def close(self) -> None:
        """Remove ours, and let go of the lock."""
        with self._making:
            if self._own:
                remove_tree(self._own)
                if not self._own.exists():
                    _lock_of(self._own).unlink(missing_ok=True)
            if self._held is not None:
                os.close(self._held)
            self._own = self._held = None

    def _make(self) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        while True:
            own = self._root / f"{self._who}-{secrets.token_hex(4)}"
            lock = _lock_of(own)
            self._held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX)
            except OSError as error:  # without the file nobody takes us for dead
                log.warning("work.not_locked", path=str(own), error=str(error), help="should this process be killed, remove it by hand")
                lock.unlink(missing_ok=True)
                break
            if _is(self._held, lock):
                break
            os.close(self._held)  # somebody took it for a dead one's before we had it
        own.mkdir()
        return own


def _lock_of(own: Path) -> Path:
    return own.with_name(own.name + LOCK)


def _remove_dead(lock: Path) -> None:
    held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(held, lock):
            directory = lock.with_name(lock.name.removesuffix(LOCK))
            log.info("work.of_the_dead", path=str(directory))
            remove_tree(directory)
            if not directory.exists():
                lock.unlink()
    finally:
        os.close(held)


def _is(held: int, path: Path) -> bool:
    """Whether this open file still lies there."""
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except FileNotFoundError:
        return False
