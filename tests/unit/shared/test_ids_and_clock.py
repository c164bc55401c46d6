"""Names that say where their bearer belongs, and time that a wrong wall clock cannot move."""

import time
from contextvars import copy_context
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import ServerClock, after, full_jitter
from shared.errors import BadInput
from shared.ids import above, attempt_id, child_id, epoch_of, id_at, made_at, maker, new_id, plan_id, run_of, subtree, task_of


def test_fresh_ids_are_sortable_by_time_and_as_long_as_a_trace() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert ids == sorted(ids)
    assert {len(identifier) for identifier in ids} == {32}


def test_a_simulation_may_make_the_ids_of_its_own_tasks() -> None:
    made = copy_context()
    made.run(maker.set, lambda: "f" * 32)
    assert made.run(new_id) == "f" * 32
    assert new_id() != "f" * 32


def test_an_id_for_a_moment_is_sorted_by_it() -> None:
    """Whatever the clock of its maker says."""
    moments = [datetime(2001, 2, 3, tzinfo=UTC) + timedelta(milliseconds=number) for number in range(5)]
    ids = [id_at(moment) for moment in moments]
    assert ids == sorted(ids)
    assert [made_at(one) for one in ids] == [pytest.approx(moment.timestamp()) for moment in moments]
    assert len({id_at(moments[0]) for _ in range(100)}) == 100


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 99_999)), max_size=8))
def test_a_child_knows_its_run_and_stands_below_all_its_ancestors(path: list[tuple[int, int]]) -> None:
    run = "0198f0c2a5b67c8d9e0f1a2b3c4d5e6f"
    task, ancestors = run, [run]
    for version, position in path:
        task = child_id(task, version, position)
        ancestors.append(task)
    assert run_of(task) == run
    for ancestor in ancestors[:-1]:
        assert subtree(ancestor)["$gt"] < task < subtree(ancestor)["$lt"]
    assert not subtree(task)["$gt"] < task
    assert len(set(ancestors)) == len(ancestors)


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_sibling_is_not_below_its_sibling(one: int, other: int) -> None:
    first, second = child_id("r", 1, one), child_id("r", 1, other)
    assert not subtree(first)["$gt"] < second < subtree(first)["$lt"]


@given(st.integers(0, 10**6))
def test_an_attempt_knows_its_task_and_epoch(epoch: int) -> None:
    attempt = attempt_id("r.1.v2-3", epoch)
    assert (task_of(attempt), epoch_of(attempt), run_of(attempt)) == ("r.1.v2-3", epoch, "r")


@pytest.mark.parametrize("wrong", ["", "r.1", "r.1:", "r.1:x", ":", "r.1:-1", "r.1:1.5", "r.1:²", "r.1:" + "9" * 19])
def test_what_is_no_attempt_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput, match="TASK:EPOCH"):
        epoch_of(wrong)


def test_a_plan_bears_its_version() -> None:
    assert plan_id("r.1", 2) == "r.1@2"


def test_a_clock_may_be_given_its_own_time() -> None:
    clock = ServerClock(wall=lambda: 1_000.0, monotonic=lambda: 5.0)
    assert (clock.now(), clock.monotonic()) == (datetime.fromtimestamp(1_000, UTC), 5.0)
    clock.set(datetime.fromtimestamp(3_000, UTC))
    assert clock.now() == datetime.fromtimestamp(3_000, UTC)


@pytest.mark.parametrize(
    ("ours", "said", "took", "then"),
    [
        (1_000.0, 999.6, 0.5, 1_000.0),
        (1_000.0, 1_000.0, 0.5, 1_000.0),
        (1_000.0, 3_000.0, 0.5, 3_000.0),
        (9_000.0, 3_000.0, 0.5, 3_000.5),
        (1_000.0, 999.6, 0.0, 999.6),
    ],
    ids=["a slow answer changes nothing", "nor one just read", "we were behind", "we were ahead", "an answer at once is exact"],
)
def test_a_slow_answer_does_not_set_the_clock_back(ours: float, said: float, took: float, then: float) -> None:
    clock = ServerClock(wall=lambda: ours, monotonic=lambda: 5.0)
    clock.set(datetime.fromtimestamp(said, UTC), took=took)
    assert clock.now() == datetime.fromtimestamp(then, UTC)


def test_a_machine_that_slept_knows_the_servers_time() -> None:
    awake, since_boot = [5.0], [5.0]
    clock = ServerClock(wall=lambda: 1_000.0, monotonic=lambda: awake[0], carried=lambda: since_boot[0])
    clock.set(datetime.fromtimestamp(3_000, UTC))
    awake[0] += 1.0
    since_boot[0] += 121.0
    assert (clock.now(), clock.monotonic()) == (datetime.fromtimestamp(3_121, UTC), 6.0)


def test_the_servers_time_is_carried_forward() -> None:
    clock = ServerClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    server = datetime(2030, 1, 1, tzinfo=UTC)
    clock.set(server)
    time.sleep(0.01)
    assert timedelta(0) < clock.now() - server < timedelta(seconds=1)
    clock.set(datetime(2031, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    assert clock.now().year == 2031
    assert timedelta(seconds=59) < after(clock, 60) - clock.now() < timedelta(seconds=61)


@given(st.integers(1, 10_000))
def test_a_wait_is_never_longer_than_its_bound(attempt: int) -> None:
    assert 0 <= full_jitter(attempt, base=0.2, cap=15.0) <= min(15.0, 0.2 * 2.0 ** min(attempt - 1, 60))


def test_above_names_the_tasks_around_from_the_root_down() -> None:
    assert above("run") == []
    assert above("run.2.v3-1") == ["run", "run.2"]
