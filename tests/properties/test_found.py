"""What the thorough runs have found, as small as it could be made: each was mended, and stays so."""

from collections.abc import Iterator

import pytest

from shared.contracts.phases import Action, Phase
from shared.contracts.plan import TaskSpec
from tests.properties.course import Course
from tests.unit.sequencer.tasks import RUN


@pytest.fixture
def course() -> Iterator[Course]:
    """A task that may fail, and one that waits for it."""
    first = TaskSpec(key="first", title="first", agent="python", on_failure="continue")
    course = Course(first, TaskSpec(key="second", title="second", agent="python", after=("first",)))
    yield course
    course.close()


def test_what_waits_for_a_task_without_a_plan_goes_on_at_once_rather_than_at_the_next_sweep(course: Course) -> None:
    course.hear(course.verdict(course.docs[f"{RUN}.1"], "too_big"))
    course.hear(course.proposal(course.docs[f"{RUN}.1"], size=0))
    assert [course.docs[f"{RUN}.{number}"]["phase"] for number in (1, 2)] == [Phase.FAILED, Phase.READY]


def test_a_parent_whose_last_child_is_cancelled_is_joined_at_once(course: Course) -> None:
    course.hear(course.verdict(course.docs[f"{RUN}.1"], "passed"))
    course.hear(course.order(course.docs[f"{RUN}.2"], Action.CANCEL))
    assert course.docs[RUN]["phase"] == Phase.INTEGRATING
