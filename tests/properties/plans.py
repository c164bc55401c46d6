"""Plans of any shape: tasks that wait for earlier ones, groups inside groups, checkpoints, and what is to happen when they fail."""

from typing import Any

from hypothesis import strategies as st

from shared.contracts.plan import Checkpoint, TaskSpec

LEAVES = 5
CHECK = {"kind": "command", "run": "true"}
CHECKPOINTS = st.sampled_from([None, None, None, None, Checkpoint(when="before"), Checkpoint(when="after")])
ON_FAILURE = st.sampled_from(["ask", "fail", "continue"])


@st.composite
def levels(draw: st.DrawFn, *, depth: int = 1) -> tuple[TaskSpec, ...]:
    """One level of a plan; each task waits for some of those before it."""
    names = [f"t{number}" for number in range(draw(st.integers(1, LEAVES)))]
    specs = [draw(tasks(key=name, before=names[:number], depth=depth)) for number, name in enumerate(names)]
    return tuple(draw(st.permutations(specs)))


@st.composite
def tasks(draw: st.DrawFn, *, key: str, before: list[str], depth: int) -> TaskSpec:
    """One task, or a group with a level below it."""
    after = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
    fields: dict[str, Any] = {
        "retries": draw(st.integers(0, 2)),
        "on_failure": draw(ON_FAILURE),
        "checkpoint": draw(CHECKPOINTS),
        "checks": draw(st.sampled_from([(), (CHECK,)])),
    }
    if depth and draw(st.integers(0, 3)) == 0:
        below = draw(levels(depth=depth - 1))
        return TaskSpec(key=key, title=key, after=tuple(after), kind="group", subtasks=below, **fields)
    return TaskSpec(key=key, title=key, after=tuple(after), agent="python", inputs={"call": "noop"}, **fields)
