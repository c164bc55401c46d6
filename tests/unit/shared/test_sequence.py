"""What follows from a plan, and the tasks that grow from it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sequencer.domain.grow import WIDE, Soil, first_move, grow, root_document
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.errors import BadInput
from shared.sequence import sequence
from tests.unit.sequencer.tasks import RUN

SOIL = Soil(RUN, RUN, f"{RUN}@1", 1, 1, paused=False, now=datetime(2026, 1, 1, tzinfo=UTC))


def spec(key: str, *after: str, estimate: float | None = None) -> TaskSpec:
    return TaskSpec(key=key, title=key, after=after, agent="python", inputs={"call": "noop"}, estimate=estimate)


def test_a_diamond() -> None:
    found = sequence([spec("a", estimate=1), spec("b", "a", estimate=5), spec("c", "a", estimate=2), spec("d", "b", "c", estimate=1)])
    assert found.order == ("a", "b", "c", "d")
    assert found.groups == (("a",), ("b", "c"), ("d",))
    assert found.critical_path == ("a", "b", "d")
    assert found.forecast_seconds == 7


def test_nothing_is_forecast_where_nothing_is_known() -> None:
    assert sequence([spec("a"), spec("b", "a")]).forecast_seconds is None


def test_a_cycle_is_named_and_so_is_what_is_missing() -> None:
    with pytest.raises(BadInput, match=r"wait for each other: (a → b → a|b → a → b)"):
        sequence([spec("a", "b"), spec("b", "a")])
    with pytest.raises(BadInput, match="'a' waits for 'x', which this plan does not have"):
        sequence([spec("a", "x")])


@st.composite
def plans(draw: st.DrawFn) -> list[TaskSpec]:
    size = draw(st.integers(1, 12))
    names = [f"t{number}" for number in range(size)]
    made = []
    for number, name in enumerate(names):
        after = draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=number)) if number else []
        made.append(spec(name, *after, estimate=draw(st.integers(0, 9))))
    return draw(st.permutations(made))


@given(plans())
def test_order_groups_and_critical_path_of_any_plan(specs: list[TaskSpec]) -> None:
    found, by_key = sequence(specs), {one.key: one for one in specs}
    rank = {key: number for number, key in enumerate(found.order)}
    assert all(rank[before] < rank[after] for before, after in found.edges)
    level = {key: number for number, group in enumerate(found.groups) for key in group}
    assert all(level[key] == 1 + max((level[name] for name in by_key[key].after), default=-1) for key in by_key)
    length: dict[str, float] = {}
    for key in found.order:
        length[key] = (by_key[key].estimate or 0) + max((length[name] for name in by_key[key].after), default=0)
    assert found.forecast_seconds == max(length.values())
    assert sum(by_key[key].estimate or 0 for key in found.critical_path) == found.forecast_seconds


@given(plans())
def test_the_same_plan_always_grows_the_same_tasks(specs: list[TaskSpec]) -> None:
    once, again = list(grow(specs, sequence(specs), SOIL)), list(grow(specs, sequence(specs), SOIL))
    assert once == again
    ids = {document["_id"] for document in once}
    assert len(ids) == len(specs)
    assert all(set(document.get("dependencies", ())) <= ids for document in once)
    assert sum(document["dependents"] for document in once) == sum(len(one.after) for one in specs)


def test_what_waits_for_nothing_is_born_released_unless_its_parent_is_paused() -> None:
    specs = [spec("a"), spec("b", "a")]
    first, second = grow(specs, sequence(specs), SOIL)
    move = first_move(first)
    assert move
    assert (move.how.target, move.epoch) == (Phase.READY, 1)
    assert first_move(second) is None
    paused = Soil(RUN, RUN, f"{RUN}@1", 1, 1, paused=True, now=SOIL.now)
    assert first_move(next(grow(specs, sequence(specs), paused))) is None


def test_a_task_that_waits_for_many_is_named_by_them_and_looks_for_itself() -> None:
    specs = [*(spec(f"t{number}") for number in range(WIDE + 1)), spec("join", *(f"t{number}" for number in range(WIDE + 1)))]
    *many, join = grow(specs, sequence(specs), SOIL)
    assert join["wide"]
    assert "dependencies" not in join
    assert all(document["feeds"] == [join["_id"]] and document["dependents"] == 0 for document in many)


def test_a_second_plan_has_ids_of_its_own() -> None:
    soil = Soil(RUN, f"{RUN}.3", f"{RUN}.3@2", 2, 2, paused=False, now=SOIL.now)
    assert next(grow([spec("a")], sequence([spec("a")]), soil))["_id"] == f"{RUN}.3.v2-1"


def test_what_a_model_decided_is_marked() -> None:
    marked = replace(SOIL, by_model=True)
    assert next(grow([spec("a")], sequence([spec("a")]), marked))["by_model"] is True
    assert "by_model" not in next(grow([spec("a")], sequence([spec("a")]), SOIL))
    for header, by_model in (({"model": "m", "run_id": RUN}, True), ({"model": None, "run_id": RUN}, False)):
        root = root_document(run_id=RUN, title="", description="", header=header, now=SOIL.now)
        assert ("by_model" in root) is by_model
