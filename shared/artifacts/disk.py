"""A full disk, said in words: it is no fault of the work, which is tried again once there is room."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import StoreUnavailable

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def on_disk(directory: Path | str) -> Iterator[None]:
    """Raises StoreUnavailable for what goes wrong with the disk in the block; `directory` says which one."""
    try:
        yield
    except OSError as error:
        raise unavailable(error, error.filename or str(directory)) from error


def unavailable(error: Exception, where: str) -> StoreUnavailable:
    """The error as one that says where, and what to do. Object stores give the system's reason only as text."""
    if getattr(error, "errno", None) in FULL or "No space left on device" in str(error):
        return StoreUnavailable(f"no space left in {where}: make room there, the work is tried again")
    return StoreUnavailable(f"{where} cannot be used: {str(error)[:500]}")
