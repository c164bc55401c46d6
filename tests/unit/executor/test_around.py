"""What an agent is told of what lies around its task."""

import subprocess
import sys
from typing import Any

import pytest

from services.executor.around import around, section_of
from shared.clock import ServerClock
from shared.memory.store import MemoryDatabase

NOTES = """# Release

Intro.

## Fetch sources
Get them.

```sh
# Not a heading
## Fetch sources
```

### By mirror
Fast.

## Build it!
Make it.
"""


@pytest.mark.parametrize(("heading", "expected"), [
    ("build-it", "## Build it!\nMake it."),
    ("by-mirror", "### By mirror\nFast."),
    ("fetch-sources", NOTES[NOTES.index("## Fetch") : NOTES.index("## Build")].strip()),
    ("", NOTES.strip()),
    ("not-a-heading", ""),
    ("no-such", ""),
])  # fmt: skip
def test_sections(heading: str, expected: str) -> None:
    assert section_of(NOTES, heading) == expected


def test_a_heading_of_very_many_blanks_holds_up_nobody() -> None:
    program = "import sys\nfrom services.executor.around import section_of\nsys.stdout.write(section_of(sys.stdin.read(), 'a-b'))"
    text = f"# a{' ' * 500_000}b #\nHere.\n"
    # An expression that tries again at each blank takes hours for this, and lets no timer of its own process fire.
    done = subprocess.run([sys.executable, "-c", program], input=text, text=True, check=True, capture_output=True, timeout=60)
    assert done.stdout == text.rstrip("\n")


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase(ServerClock())


async def put(database: MemoryDatabase, **fields: Any) -> None:
    """A run with a group, a task that was found too big, and the task in question below it."""
    event = {"notes": [{"name": "release.md", "text": NOTES}]}
    await database["submissions"].insert([{"_id": "run", "event": event}])
    await database["tasks"].insert([
        {"_id": "run", "title": "Release", "description": "Ship it", "kind": "group", "options": fields.pop("options", {})},
        {"_id": "run.1", "title": "Sources", "description": "All of them", "kind": "group"},
        {"_id": "run.1.1", "title": "Fetch", "kind": "work"},
        {"_id": "run.1.1.1", "title": "Mirror", "kind": "work", "depth": 3, **fields},
    ])  # fmt: skip


async def fail(database: MemoryDatabase, epoch: int, code: str, *evidence: dict[str, Any], judgement: str = "failed") -> None:
    error = {"code": code, "message": f"{code} at {epoch}"}
    doc = {"_id": f"run.1.1.1:{epoch}", "epoch": epoch, "judgement": judgement, "error": error, "evidence": list(evidence)}
    await database["verdicts"].insert([doc])


async def test_goals_notes_checks_answers_and_depth(database: MemoryDatabase) -> None:
    answers = [{"question": "Which?", "answer": "blue", "by": "ann"}]
    await put(
        database, notes=["release.md#by-mirror", "release.md#no-such", "lost.md"], checks=[{"kind": "file", "path": "x"}], answers=answers
    )
    found = await around(database, "run.1.1.1")
    assert found.goals == (("Release", "Ship it"), ("Sources", "All of them"), ("Fetch", ""))
    assert found.notes == (("release.md#by-mirror", "### By mirror\nFast."),)
    assert found.checks == ({"kind": "file", "path": "x"},)
    assert found.answers == (("Which?", "blue"),)
    assert (found.splits, found.deepest, found.failure) == (1, False, "")


async def test_a_step_that_joins_was_too_big_as_well_when_others_lie_below_it(database: MemoryDatabase) -> None:
    await put(database)
    await database["tasks"].update({"_id": "run.1.1"}, {"$set": {"kind": "integration"}})
    assert (await around(database, "run.1.1.1")).splits == 1


async def test_as_deep_as_the_run_may_go(database: MemoryDatabase) -> None:
    await put(database, options={"max_depth": 3})
    assert (await around(database, "run.1.1.1")).deepest


async def test_the_latest_failure_of_the_work_with_what_the_checks_printed(database: MemoryDatabase) -> None:
    await put(database)
    missed = {"passed": False, "output": "x" * 5_000 + "the end"}
    await fail(database, 2, "check_failed", {"passed": True, "output": "fine"}, missed, {"passed": False, "output": ""})
    await fail(database, 1, "check_failed")
    told = (await around(database, "run.1.1.1")).failure
    assert told.startswith("check_failed at 2\n\nxxx")
    assert told.endswith("the end")
    assert len(told) < 2_100
    assert "fine" not in told


OF_MODELS = ["model_busy", "model_unreachable", "model_timed_out", "model_broke_off", "model_refused", "no_model"]


@pytest.mark.parametrize("code", [*OF_MODELS, "timed_out", "sandbox_failed", "bad_inputs", "not_judged"])
async def test_what_only_passed_by_is_not_told(database: MemoryDatabase, code: str) -> None:
    """Or the next try would ask something else, and pay for it all again."""
    await put(database)
    await fail(database, 9, "check_failed")
    await fail(database, 10, code)
    await fail(database, 11, "lost", judgement="lost")
    assert (await around(database, "run.1.1.1")).failure == "check_failed at 9"


async def test_a_task_that_is_not_there(database: MemoryDatabase) -> None:
    assert (await around(database, "run.1")).goals == ()
