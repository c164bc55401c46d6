"""Where in the notes a task comes from: the planner writes it down, and planner and executor find that place again and no other."""

import pytest

from services.executor.around import around
from services.planner.planners.model.notes import excerpt, read_notes
from shared.clock import ServerClock
from shared.contracts.plan import NotesFile, Plan, TaskSpec
from shared.headings import addresses, headings, place_of
from shared.memory.store import MemoryDatabase
from tests.unit.planner.samples import outline

APPS = """\
# Release

## Android app
### Summary
- agent: human

About Android.

## Server
### Summary
- agent: human
- approval: before

About the server.

## Summary 1
- agent: human

Of its own name.

## Steps
- Summary
  - agent: human

  As an item.
"""


def leaves(plan: Plan) -> dict[str, TaskSpec]:
    return {f"{top.key}/{task.key}": task for top in plan.tasks for task in (top.subtasks or (top,))}


async def told(text: str, task: TaskSpec) -> str:
    """What the agent of this task is given of these notes."""
    database = MemoryDatabase(ServerClock())
    await database["submissions"].insert([{"_id": "run", "event": {"notes": [{"name": "a.md", "text": text}]}}])
    await database["tasks"].insert([{"_id": "run.1", "title": task.title, "kind": "work", "notes": list(task.notes)}])
    return "\n".join(text for _, text in (await around(database, "run.1")).notes)


async def test_two_sections_of_one_name_are_two_places() -> None:
    tasks = leaves(outline(APPS))
    assert {key: task.notes for key, task in tasks.items()} == {
        "android-app/summary": ("a.md#summary",),
        "server/summary": ("a.md#summary-2",),
        "summary-1/summary-1": ("a.md#summary-1",),
        "steps/summary": ("a.md#summary-3",),
    }
    notes = (NotesFile(name="a.md", text=APPS),)
    assert [one.text.split("\n\n")[1].strip() for task in tasks.values() for one in excerpt(notes, task.notes)] == [
        "About Android.", "About the server.", "Of its own name.", "As an item."
    ]  # fmt: skip
    given = {key: await told(APPS, task) for key, task in tasks.items()}
    assert [text.splitlines()[-1:] for text in given.values()] == [["About Android."], ["About the server."], ["Of its own name."], []]
    (demand,) = read_notes(notes).demands
    assert demand.section.reference == "a.md#summary-2"


@pytest.mark.parametrize("text", [
    "\ufeff# Do it\r\n- agent: human\r\n\r\nA\u2028B\r\n",
    "<!--\n# Do it\n-->\n\n# Do it\n- agent: human\n\nA\u2028B\n",
    "# Do it\n- agent: human\n\n````md\n```\n# Do it\n```\n````\n\nA\u2028B\n",
    f"# {'Do it' * 100}\n- agent: human\n\nA\u2028B\n",
    "# C++\n- agent: human\n\n# C#\n- agent: human\n\nA\u2028B\n",
    "- agent: human\n\nA\u2028B\n",
])  # fmt: skip
async def test_all_who_read_notes_find_the_same_place(text: str) -> None:
    notes = (NotesFile(name="a.md", text=text),)
    task = outline(text).tasks[-1]
    assert (await told(text, task)).endswith("A\u2028B")
    (found,) = excerpt(notes, task.notes)
    assert found.text.strip().endswith("A\u2028B")


def test_what_has_its_words_to_itself_keeps_them() -> None:
    assert addresses(["A", "a!", "A 1", "B", "A"]) == ["a", "a-2", "a-1", "b", "a-3"]
    assert addresses(["A", "B"], taken=["a"]) == ["a-1", "b"]
    assert [one.address for one in headings(["# A", "```sh", "# A", "```sh", "```", "## A"])] == ["a", "a-1"]


def test_a_file_may_have_the_mark_of_an_address_in_its_name() -> None:
    assert place_of("c#.md", ["c#.md"]) == ("c#.md", "")
    assert place_of("c#.md#build", ["c#.md"]) == ("c#.md", "build")
