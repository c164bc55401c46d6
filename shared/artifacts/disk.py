"""What a disk refuses, said in words: that it is full or gone is no fault of the work, which is tried again; a name it cannot hold is."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import BadInput, StoreUnavailable, TaskgroveError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
AWAY = FULL | {errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.ETIMEDOUT}
"""The disk is full, broken or gone, whatever is asked of it."""
OURS = AWAY | {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""And what this process may not do or has no room for: in a directory that we made ourselves that is no fault of the work either."""


@contextmanager
def on_disk(directory: Path | str) -> Iterator[None]:
    """Raises StoreUnavailable for what goes wrong with the disk in the block, BadInput for what it can never hold.

    `directory` says which disk, where the system does not say.
    """
    try:
        yield
    except OSError as error:
        raise refused(error, error.filename or str(directory)) from error


def refused(error: Exception, where: str) -> TaskgroveError:
    """The error as one that says where, and what to do. Object stores give the system's reason only as text."""
    number = getattr(error, "errno", None)
    if number in FULL or "No space left on device" in str(error):
        return StoreUnavailable(f"no space left in {where}: make room there, the work is tried again")
    if number is None or number in OURS:
        return StoreUnavailable(f"{where} cannot be used: {str(error)[:500]}")
    return BadInput(f"{where[:500]} cannot be made: {getattr(error, 'strerror', error)}; give what is to lie there another name")
