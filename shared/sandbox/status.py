"""Whether what was to run in the sandbox has begun: bubblewrap says so on a pipe that it keeps from the program inside.

What the program prints says nothing of it: it may print what bubblewrap prints when it fails.
"""

import os
from typing import Self

BEGAN = b'"exit-code"'
"""Said at the end, and only when the program had been started (bwrap(1), --json-status-fd)."""
MOST = 4_096


class Status:
    """The pipe. `write_end` is for the process that is started, and ours as long as the block lasts."""

    def __enter__(self) -> Self:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read_end)
        os.close(self.write_end)

    def began(self) -> bool:
        """Whether the program was started; asked once, after bubblewrap has ended."""
        try:
            return BEGAN in os.read(self._read_end, MOST)
        except BlockingIOError:
            return False
