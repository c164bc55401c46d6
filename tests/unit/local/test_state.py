"""A process is known by pid and birth, so that a pid that was used again is never taken for ours."""

import os
import time
from pathlib import Path

from taskgrove.local.home import Home
from taskgrove.local.state import ProcessRef, State, own_ref, read_state, stop_running, write_state


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
