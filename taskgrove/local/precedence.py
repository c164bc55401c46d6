"""Who goes first where processors are short: what people look at, and broker and store, before the work."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

STEPS = 5
TRIES = 20
TRY_AGAIN_SECONDS = 0.11


async def step_back(pid: int) -> None:
    """Let others go before this process, a third as often as they would have to; harmless where it cannot be said.

    Linux shares processors by sessions first, where it has groups for them (sched(7), "The autogroup feature"): within its own, a process
    that has a session for itself comes after nobody.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + STEPS)
    for _ in range(TRIES):
        try:
            _say_of_session(pid)
        except BlockingIOError:  # the kernel takes ten of these a second, unless root says them
            await asyncio.sleep(TRY_AGAIN_SECONDS)
        except OSError:
            return
        else:
            return


def _say_of_session(pid: int) -> None:
    Path(f"/proc/{pid}/autogroup").write_text(str(STEPS), encoding="ascii")
