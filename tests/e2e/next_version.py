"""The tree as it will be one contract version from now: every value and event has a field more, and there is one event more."""

import shutil
from pathlib import Path

from taskgrove.local.supervisor import SERVICES
from tests.e2e.grove import ROOT

NOTED = "task.noted"
FIELDS = {
    "base.py": {
        "    run_id: str = Field(min_length=1, max_length=64)\n": '    stamp: str = "next"\n',
    },
    "plan.py": {
        "class Checkpoint(Value):": '    stamp: str = "next"\n',
        "class TaskSpec(Value):": '    stamp: str = "next"\n',
        "class Plan(Value):": '    stamp: str = "next"\n',
        "class RunOptions(Value):": '    stamp: str = "next"\n',
        "class NotesFile(Value):": '    stamp: str = "next"\n',
    },
    "executor.py": {
        "class Artifact(Value):": '    stamp: str = "next"\n',
        "class Result(Value):": '    stamp: str = "next"\n',
    },
    "checker.py": {"class Evidence(Value):": '    stamp: str = "next"\n'},
}
EVENT = f'''

class TaskNoted(Event, name="{NOTED}", said_by="sequencer", heard_by=("planner", "sequencer", "executor", "checker", "approvals")):
    """Something that only the next version knows of."""

    task_id: str
'''
HANDLER = '''

async def on_tasks_noted(events: Sequence[TaskNoted], _deps: Deps) -> Says:
    """Nothing follows from it."""
    structlog.get_logger().info("task.noted", tasks=[event.task_id for event in events])
    return ()


HEARS: Hears = {
    TaskNoted: on_tasks_noted,
'''


def next_version(directory: Path) -> Path:
    """A copy of the tree, changed as the next version of the contract would change it."""
    for package in ("services", "shared", "taskgrove"):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    contracts = directory / "shared" / "contracts"
    for name, places in FIELDS.items():
        for place, field in places.items():
            _after(contracts / name, place, field)
    sequencer = contracts / "sequencer.py"
    sequencer.write_text(sequencer.read_text(encoding="utf-8") + EVENT, encoding="utf-8")
    for service in SERVICES:
        handlers = directory / "services" / service / "handlers.py"
        text = handlers.read_text(encoding="utf-8")
        assert text.count("\n\nHEARS: Hears = {\n") == 1, handlers
        text = text.replace("\n\nHEARS: Hears = {\n", HANDLER)
        first = "from collections.abc import"
        text = text.replace(first, f"import structlog\nfrom shared.contracts.sequencer import TaskNoted\n{first}", 1)
        handlers.write_text(text, encoding="utf-8")
    return directory


def _after(file: Path, place: str, field: str) -> None:
    """Put the field after the docstring of the class, or after the line itself."""
    before, found, rest = file.read_text(encoding="utf-8").partition(place)
    assert found, f"{file} has no {place!r} any more: the next version must be made otherwise"
    if place.startswith("class"):
        end = rest.index('"""\n', rest.index('"""') + 3) + len('"""\n')
        file.write_text(before + found + rest[:end] + "\n" + field + rest[end:], encoding="utf-8")
    else:
        file.write_text(before + found + field + rest, encoding="utf-8")
