"""A process is known by pid and birth, so that a pid that was used again is never taken for ours."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shared.errors import AlreadyRunning
from taskgrove.local.home import Home, lock, prepare
from taskgrove.local.process_ref import ProcessRef
from taskgrove.local.state import State, own_ref, read_state, stop_running, write_state


def state_of(supervisor: ProcessRef) -> State:
    return State(
        supervisor=supervisor,
        started_at=time.time(),
        ports={"amqp": 1},
        api_url="http://127.0.0.1:1",
        broker_url="amqp://127.0.0.1:1/",
        store_url="mongodb://127.0.0.1:1/",
        store_name="taskgrove",
        keys_file="keys.json",
        processes={},
    )


def test_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_state(Home(tmp_path), state_of(own_ref()))
    read = read_state(tmp_path)
    assert read == state_of(own_ref()).model_copy(update={"started_at": read.started_at if read else 0})
    assert read.running


def test_nothing_or_nonsense_is_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    Home(tmp_path).state.write_text('{"pid": ')
    assert read_state(tmp_path) is None


def test_the_same_pid_born_at_another_time_is_not_ours(tmp_path: Path) -> None:
    stranger = ProcessRef(pid=os.getpid(), born=own_ref().born - 100)
    assert stranger.process() is None
    write_state(Home(tmp_path), state_of(stranger))
    assert stop_running(tmp_path) is False
    assert read_state(tmp_path) is None


@pytest.fixture
def clock_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What a step of the system clock does to processes that run: all seem to be born later than they were."""
    linux = pytest.importorskip("psutil._pslinux")

    def step() -> None:
        boot = linux.boot_time()
        monkeypatch.setattr(linux, "boot_time", lambda: boot + 5)

    return step


def test_who_runs_is_known_after_a_step_of_the_system_clock(tmp_path: Path, clock_steps: Callable[[], None]) -> None:
    write_state(Home(tmp_path), state_of(own_ref()))
    before = psutil.Process().create_time()
    clock_steps()
    assert psutil.Process().create_time() == pytest.approx(before + 5)
    state = read_state(tmp_path)
    assert state
    assert state.running


def test_the_same_pid_at_the_same_time_of_another_boot_is_not_ours() -> None:
    own = own_ref()
    boot, _, ticks = own.birth.partition(" ")
    if not boot:
        pytest.skip("there is no /proc here")
    assert own.process()
    assert own.model_copy(update={"birth": f"{boot} {int(ticks) + 1}"}).process() is None
    assert own.model_copy(update={"birth": f"another {ticks}"}).process() is None


def test_what_an_older_version_wrote_is_judged_by_the_system_clock(tmp_path: Path) -> None:
    write_state(Home(tmp_path), state_of(own_ref()))
    written = json.loads(Home(tmp_path).state.read_text())
    del written["supervisor"]["birth"]
    Home(tmp_path).state.write_text(json.dumps(written))
    state = read_state(tmp_path)
    assert state
    assert state.running


def test_down_leaves_a_directory_alone_that_somebody_holds(tmp_path: Path) -> None:
    home = prepare(tmp_path)
    held = lock(home, holder=None)
    write_state(home, state_of(own_ref().model_copy(update={"birth": "not known", "born": 0})))
    with pytest.raises(AlreadyRunning, match=r"still starting on .*Wait until it is up.*fuser .*lock"):
        stop_running(tmp_path)
    assert home.state.exists()
    held.release()
    assert stop_running(tmp_path) is False
    assert not home.state.exists()
    lock(home, holder=None).release()
