"""The same verdicts and answers in another order, in other batches, or each several times: the run stands where it stood."""

import random
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.base import Event
from shared.contracts.plan import TaskSpec
from shared.storage.port import Doc
from tests.properties.course import ASKING, DISPATCHED, PLANNING, Course
from tests.properties.plans import levels

MOST_ROUNDS = 600
JUDGEMENTS = ("passed", "passed", "passed", "failed", "lost", "too_big")
CHOICES = ("approve", "approve", "reject", "skip", "fail", "take_over")


def fate(of: str, options: Sequence[Any], salt: int) -> Any:
    """What happens to an attempt or a question: drawn from its name, so that it is the same in every order."""
    return options[crc32(f"{salt}:{of}".encode()) % len(options)]


def event_for(course: Course, task: Doc, salt: int) -> Event:
    """What somebody says about a task that waits for them."""
    if task["phase"] in DISPATCHED:
        return course.verdict(task, fate(f"{task['_id']}:{task['epoch']}", JUDGEMENTS, salt))
    if task["phase"] in ASKING:
        return course.decision(task, fate(task["approval_id"], CHOICES, salt))
    return course.proposal(task, size=fate(f"{task['_id']}@{task.get('plan_version', 0)}", (0, 1, 2), salt))


def ended(specs: tuple[TaskSpec, ...], *, salt: int, seed: int, repeats: bool) -> dict[str, Any]:
    """Where everything stands at the end of a run in which the dice of this seed say who is next, and how many together."""
    course, dice = Course(*specs), random.Random(seed)  # noqa: S311 (a test's dice)
    try:
        for _ in range(MOST_ROUNDS):
            if course.over:
                break
            able = course.in_phase(*DISPATCHED, *ASKING, *PLANNING)
            if not able or dice.random() < 0.1:
                course.sweep()
                continue
            chosen = dice.sample(able, dice.randint(1, len(able)))
            course.hear(*(event_for(course, task, salt) for task in chosen))
            if repeats:
                course.hear(*dice.choices(course.spoken, k=3))
        assert course.over, "it does not end"
        return {name: standing(doc) for name, doc in course.docs.items()}
    finally:
        course.close()


def standing(doc: Doc) -> dict[str, Any]:
    """What a run has come to, without when and how often it was looked at."""
    return {field: doc.get(field) for field in ("phase", "epoch", "attempts", "passes", "open", "children", "plan_version", "error")}


SEEDS = st.integers(0, 2**32)


@given(specs=levels(), salt=SEEDS, one=SEEDS, other=SEEDS)
def test_independent_ends_commute(specs: tuple[TaskSpec, ...], salt: int, one: int, other: int) -> None:
    assert ended(specs, salt=salt, seed=one, repeats=False) == ended(specs, salt=salt, seed=other, repeats=False)


@given(specs=levels(), salt=SEEDS, one=SEEDS, other=SEEDS)
def test_hearing_everything_again_and_again_changes_nothing(specs: tuple[TaskSpec, ...], salt: int, one: int, other: int) -> None:
    assert ended(specs, salt=salt, seed=one, repeats=False) == ended(specs, salt=salt, seed=other, repeats=True)
