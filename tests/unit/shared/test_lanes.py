"""What waits for a handler: in turns over runs, bounded by weight, each run in its own order."""

from random import Random

import pytest

from shared.contracts.approvals import TaskSubmitted
from shared.contracts.executor import AgentProgress
from shared.contracts.sequencer import TaskReady
from shared.lanes import MOST_WEIGHT, TURN, Lane


def filled(**waiting: tuple[int, int]) -> Lane[str]:
    """A lane in which each run has so many items of such a weight."""
    lane: Lane[str] = Lane()
    for run, (count, weight) in waiting.items():
        for number in range(count):
            lane.put(f"{run}{number}", run=run, weight=weight)
    return lane


def by_run(taken: list[str]) -> dict[str, int]:
    runs = [name[0] for name in taken]
    return {run: runs.count(run) for run in runs}


def test_one_run_gets_all_that_fits_in_its_order() -> None:
    lane = filled(a=(MOST_WEIGHT + 1, 1))
    assert lane.take() == [f"a{number}" for number in range(MOST_WEIGHT)]
    assert len(lane) == 1
    lane.done("a")
    assert lane.take() == [f"a{MOST_WEIGHT}"]
    assert len(lane) == 0
    lane.done("a")
    assert lane.take() == []


def test_a_small_run_is_in_the_next_batch_however_much_of_a_big_one_came_before() -> None:
    lane = filled(a=(1_000, 200), b=(5, 1))
    taken = lane.take()
    assert by_run(taken) == {"a": MOST_WEIGHT // 200, "b": 5}
    assert taken.index("b0") == 1, "after one turn of the big one"


def test_runs_share_by_weight_not_by_events() -> None:
    taken = filled(a=(1_000, 200), b=(2_000, 1)).take()
    assert by_run(taken) == {"a": MOST_WEIGHT // 2 // 200, "b": MOST_WEIGHT // 2}


def test_what_one_leaves_over_the_others_get() -> None:
    assert by_run(filled(a=(2_000, 1), b=(10, 1), c=(10, 1)).take()) == {"a": MOST_WEIGHT - 20, "b": 10, "c": 10}


def test_a_batch_is_never_empty_and_hardly_over_its_bound() -> None:
    assert filled(a=(3, 10 * MOST_WEIGHT)).take() == ["a0"]
    taken = filled(a=(30, 190), b=(30, 190)).take()
    assert MOST_WEIGHT <= 190 * len(taken) < MOST_WEIGHT + TURN


def test_what_is_handled_is_followed_by_no_more_of_its_run() -> None:
    lane = filled(a=(30, TURN), b=(1, 1))
    assert by_run(lane.take()) == {"a": 10, "b": 1}
    lane.put("b1", run="b", weight=1)
    lane.put("c0", run="c", weight=1)
    assert lane.take() == ["c0"], "a and b are being handled"
    assert not lane
    lane.done("b")
    assert lane.take() == ["b1"]
    lane.done("a")
    assert lane.take()[0] == "a10"


def test_with_more_runs_than_fit_each_has_its_turn() -> None:
    lane = filled(**dict.fromkeys("abcdefghijklmnopqrst", (100, TURN)))
    seen: list[str] = []
    for _ in range(2):
        taken = by_run(lane.take())
        lane.done(taken)
        seen += taken
    assert sorted(seen) == list("abcdefghijklmnopqrst")


def test_of_each_run_the_first_is_known_also_of_those_that_are_handled() -> None:
    lane = filled(a=(20, TURN), b=(1, TURN))
    lane.take()
    lane.put("c0", run="c", weight=1)
    assert sorted(lane.firsts()) == ["a9", "c0"]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_each_run_keeps_its_order_whatever_is_put_and_taken_when(seed: int) -> None:
    draw = Random(seed)  # noqa: S311 (a seed, not a secret)
    lane: Lane[tuple[str, int]] = Lane()
    put: list[tuple[str, int]] = []
    got: list[tuple[str, int]] = []
    handled: list[list[tuple[str, int]]] = []
    for step in range(3_000):
        if draw.random() < 0.7:
            item = (draw.choice("abc" if step % 100 < 50 else "defghij"), step)
            lane.put(item, run=item[0], weight=draw.choice((1, 1, 50, 200)))
            put.append(item)
        elif draw.random() < 0.3 and lane:
            handled.append(lane.take())
            got += handled[-1]
        elif handled:
            lane.done({run for run, _ in handled.pop(draw.randrange(len(handled)))})
        assert len(lane) == len(put) - len(got)
    while lane or handled:
        if lane:
            handled.append(lane.take())
            got += handled[-1]
        lane.done({run for run, _ in handled.pop()})
    assert sorted(got) == sorted(put)
    assert all([item for item in got if item[0] == run] == [item for item in put if item[0] == run] for run in "abcdefghij")


def test_an_event_weighs_what_it_carries() -> None:
    assert TaskReady(run_id="r", attempts=("r.1:1", "r.2:1")).weight == 2
    assert TaskReady(run_id="r", attempts=()).weight == 1
    assert AgentProgress(run_id="r", task_id="r.1", lines=("a",) * 7).weight == 7
    assert TaskSubmitted(run_id="r").weight == 100, "a whole plan: twenty of them are a batch"


def test_what_is_cleared_is_forgotten_and_what_was_taken_is_still_handled_alone() -> None:
    lane = filled(a=(30, TURN), b=(1, 1))
    lane.take()
    lane.put("c0", run="c", weight=1)
    lane.clear()
    assert (len(lane), bool(lane), list(lane.firsts())) == (0, False, [])
    lane.put("a30", run="a", weight=1)
    assert lane.take() == [], "a is being handled"
    lane.done("ab")
    assert lane.take() == ["a30"]
