"""What runs on a data directory, written down for `status`, `down` and for the start after a crash."""

import os
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from shared.errors import AlreadyRunning
from taskgrove.local.home import Home, lock_if_free, write_atomically
from taskgrove.local.process import kill_group
from taskgrove.local.process_ref import ProcessRef

STOP_SECONDS = 60.0
ORPHAN_SECONDS = 10.0


class State(BaseModel):
    """The supervisor, its children, and where to reach them."""

    supervisor: ProcessRef
    started_at: float
    ports: dict[str, int]
    api_url: str
    broker_url: str
    """Of who may do everything there, as `store_url`; services and publishers have users of their own."""
    publisher_url: str = ""
    """For programs that start runs by an event."""
    store_url: str
    store_name: str
    keys_file: str
    processes: dict[str, ProcessRef]

    @property
    def running(self) -> bool:
        return self.supervisor.process() is not None


def own_ref() -> ProcessRef:
    """This process."""
    return ProcessRef.of(os.getpid())


def read_state(root: Path) -> State | None:
    """What was last written, or None if nothing was (or an older version wrote it). It may be of a supervisor that died: ask `running`."""
    try:
        return State.model_validate_json(Home(root).state.read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(home: Home, state: State) -> None:
    """Replace what is written."""
    write_atomically(home.state, state.model_dump_json(indent=2))


def stop_running(root: Path) -> bool:
    """End what runs on `root`, in order, and come back when it is gone. False if nothing ran.

    Raises AlreadyRunning if somebody holds the directory who has not written down yet what to end: it is still starting.
    """
    home, state = Home(root), read_state(root)
    supervisor = state.supervisor.process() if state else None
    if supervisor:
        _end([supervisor], seconds=STOP_SECONDS)
    with lock_if_free(home) as free:
        if free:
            orphans = end_orphans(state) if state else 0
            home.state.unlink(missing_ok=True)
            return supervisor is not None or orphans > 0
    if supervisor is None:
        raise AlreadyRunning(
            f"Taskgrove is still starting on {root}, or did not write down what runs there; nothing was stopped. "
            "Wait until it is up, then call `taskgrove down` again. To end it now, press Ctrl-C where it was started; "
            f"`fuser {home.lock}` names its process."
        )
    return True


def end_orphans(state: State) -> int:
    """End the children of a supervisor that was killed, and return how many there were."""
    left = [process for ref in state.processes.values() if (process := ref.process())]
    _end(left, seconds=ORPHAN_SECONDS)
    for process in left:
        kill_group(process.pid)
    return len(left)


def _end(processes: list[psutil.Process], *, seconds: float) -> None:
    for process in processes:
        process.terminate()
    _gone, stubborn = psutil.wait_procs(processes, timeout=seconds)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)
