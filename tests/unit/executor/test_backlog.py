"""What waits for a slot: whose turn it is, what goes where there is no room, and that nothing starves."""

from itertools import count
from random import Random

import pytest

from services.executor.backlog import EVERY, Backlog, Waiting
from services.executor.slots import Slots

NUMBERS = count()


def waiting(run: str, *, priority: int = 5, agent: str = "shell", since: float = 0.0) -> Waiting:
    return Waiting(f"{run}.{next(NUMBERS)}:1", run, agent, "process", priority, since)


def backlog(*, most: int = 20_000, **runs: tuple[int, int]) -> Backlog:
    """One in which each run has so many of such a priority."""
    made = Backlog(most)
    for run, (number, priority) in runs.items():
        for _ in range(number):
            made.add(waiting(run, priority=priority))
    return made


def any_may(_one: Waiting) -> bool:
    return True


def runs(taken: list[Waiting]) -> str:
    return "".join(one.run_id for one in taken)


class TestTurns:
    def test_runs_take_turns_and_each_keeps_its_order(self) -> None:
        made = backlog(a=(50_000, 5), b=(3, 5))
        taken = made.take(8, any_may)
        assert runs(taken) == "abababaa"
        numbers = [int(one.attempt_id.partition(".")[2].partition(":")[0]) for one in taken if one.run_id == "a"]
        assert numbers == sorted(numbers)

    def test_whoever_comes_later_has_the_next_turn_but_those_that_wait_already(self) -> None:
        made = backlog(a=(10, 5), b=(10, 5))
        assert runs(made.take(3, any_may)) == "aba"
        made.add(waiting("c"))
        assert runs(made.take(3, any_may)) == "bac"

    def test_the_more_urgent_goes_first(self) -> None:
        assert runs(backlog(a=(2, 5), b=(2, 9), c=(1, 7)).take(9, any_may)) == "bbcaa"

    def test_agents_of_a_run_take_turns_within_its_turns(self) -> None:
        made = Backlog()
        for agent in ("shell", "shell", "shell", "model"):
            made.add(waiting("a", agent=agent))
        made.add(waiting("b"))
        assert [(one.run_id, one.agent) for one in made.take(4, any_may)] == [
            ("a", "shell"),
            ("b", "shell"),
            ("a", "model"),
            ("a", "shell"),
        ]

    def test_what_may_not_go_holds_up_no_other_and_keeps_its_place(self) -> None:
        made = backlog(a=(2, 5), b=(2, 5), c=(2, 5))
        assert runs(made.take(9, lambda one: one.run_id != "a")) == "bcbc"
        made.add(waiting("d"))
        assert runs(made.take(9, any_may)) == "ada"
        assert len(made) == 0

    def test_what_waits_already_is_not_added_again(self) -> None:
        made, one = Backlog(), waiting("a")
        assert made.add(one)
        assert made.add(one)
        assert len(made) == 1
        assert one.attempt_id in made
        assert made.take(9, any_may) == [one]
        assert one.attempt_id not in made

    def test_the_oldest_and_all(self) -> None:
        made = Backlog()
        assert made.oldest(any_may) is None
        ones = [waiting("a", since=3.0), waiting("b", since=2.0, priority=1), waiting("a", since=4.0)]
        for one in ones:
            made.add(one)
        assert made.oldest(any_may) == 2.0
        assert made.runs() == {"a", "b"}
        assert sorted(made.clear()) == sorted(one.attempt_id for one in ones)
        assert (len(made), made.oldest(any_may), made.runs()) == (0, None, set())


class TestStarvation:
    def test_the_least_urgent_goes_on_however_long_the_rush_lasts(self) -> None:
        """As with a storm of priority 9 that never ends: each slot that becomes free finds more of it."""
        made = backlog(low=(20, 0))
        served = 0
        for _ in range(20 * EVERY):
            made.add(waiting("high", priority=9))
            made.add(waiting("high", priority=9))
            served += sum(one.run_id == "low" for one in made.take(1, any_may))
        assert served == 20, "one slot of ten"

    def test_those_that_are_less_urgent_share_what_is_left_to_them(self) -> None:
        made = backlog(high=(1_000, 9), a=(100, 0), b=(100, 3), c=(100, 8))
        taken = runs(made.take(6 * EVERY, any_may))
        assert {run: taken.count(run) for run in "abc"} == dict.fromkeys("abc", 2)

    def test_within_the_share_the_runs_take_turns(self) -> None:
        made = backlog(high=(1_000, 9), a=(100, 0), b=(100, 0))
        taken = made.take(4 * EVERY, any_may)
        assert runs([one for one in taken if one.priority == 0]) == "abab"


class TestBound:
    def test_a_big_run_leaves_room_for_others(self) -> None:
        made = backlog(most=100, a=(1_000, 5))
        assert len(made) == 100
        small = [waiting("b") for _ in range(5)]
        assert all(made.add(one) for one in small)
        assert len(made) == 100
        taken = made.take(100, any_may)
        assert [one for one in taken if one.run_id == "b"] == small
        numbers = [int(one.attempt_id.split(".")[1].split(":")[0]) for one in taken if one.run_id == "a"]
        assert numbers == list(range(numbers[0], numbers[0] + 95)), "its newest went"

    def test_room_is_shared_by_all_who_want_it(self) -> None:
        made = backlog(most=90, a=(200, 5), b=(200, 9), c=(200, 0))
        taken = runs(made.take(90, any_may))
        assert all(29 <= taken.count(run) <= 31 for run in "abc")

    def test_of_one_run_the_less_urgent_goes_first(self) -> None:
        made = backlog(most=10, a=(10, 5))
        assert not made.add(waiting("a", priority=5))
        assert not made.add(waiting("a", priority=4))
        urgent = waiting("a", priority=6)
        assert made.add(urgent)
        assert len(made) == 10
        assert made.take(1, any_may) == [urgent]

    def test_who_has_as_much_as_others_is_refused(self) -> None:
        made = backlog(most=10, a=(5, 5), b=(5, 5))
        assert not made.add(waiting("a"))
        assert not made.add(waiting("b"))


class TestSlots:
    def test_a_lane_an_agent_and_a_run_all_need_one(self) -> None:
        slots, rooms = Slots({"process": 4, "waiting": 10}, {"shell": 2}), {"a": 1}
        made = Backlog()
        for run, agent in (("a", "shell"), ("a", "shell"), ("b", "shell"), ("b", "shell"), ("b", "odd"), ("b", "odd"), ("b", "odd")):
            made.add(waiting(run, agent=agent))
        taken = made.take(99, lambda one: slots.take(one, rooms=rooms))
        assert sorted((one.run_id, one.agent) for one in taken) == [("a", "shell"), ("b", "odd"), ("b", "odd"), ("b", "shell")]
        assert slots.busy("process") == 4
        assert slots.of_run("a") == 1
        assert rooms == {"a": 0}
        for one in taken:
            slots.free(one.attempt_id)
            slots.free(one.attempt_id)
        assert (slots.busy("process"), slots.of_run("a"), slots.of_run("b")) == (0, 0, 0)
        assert runs(made.take(99, lambda one: slots.take(one, rooms={"a": 1}))) == "abb"


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_right_whatever_comes_and_goes(seed: int) -> None:
    draw = Random(seed)  # noqa: S311 (a seed, not a secret)
    made = Backlog(60)
    inside: dict[str, Waiting] = {}
    for _ in range(3_000):
        if draw.random() < 0.7:
            one = waiting(draw.choice("aaaaaabcd"), priority=draw.choice((0, 5, 5, 9)), agent=draw.choice(("shell", "odd")))
            if made.add(one):
                inside[one.attempt_id] = one
        else:
            blocked = draw.choice(("", "a", "b"))
            taken = made.take(draw.randint(1, 5), lambda one: one.run_id != blocked)  # noqa: B023 (called at once)
            assert all(inside.pop(one.attempt_id) == one and one.run_id != blocked for one in taken)
        inside = {name: one for name, one in inside.items() if name in made}
        assert len(made) == len(inside) <= 60
        assert made.runs() == {one.run_id for one in inside.values()}
    assert {one.attempt_id for one in made.take(99, any_may)} == inside.keys()
