"""A run of some thirty tasks of every sort, and what must be true of it whatever was killed meanwhile."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from shared.contracts.phases import Phase
from shared.contracts.plan import NotesFile
from shared.ids import attempt_id, task_of
from tests.e2e.grove import Grove

LANES, LINKS, SHELLS = 5, 4, 4
TASKS = LANES * LINKS + SHELLS + 5 + 2 + 1


def orchard(ledger: Path, *, seconds: float = 0.3) -> NotesFile:
    """Lanes of functions that depend on each other, scripts, a group in a group, and a join of all."""
    lines = ["# Orchard"]
    for lane in range(LANES):
        for link in range(LINKS):
            after = [f"- after: Lane {lane} link {link - 1}"] if link else []
            lines += [f"## Lane {lane} link {link}", *after, *_calls(ledger, seconds)]
    for number in range(SHELLS):
        lines += [f"## Script {number}", f"- after: Lane {number} link 0", "- check: test -s out.txt", *_block("echo done | tee out.txt")]
    lines += ["## Group", "- after: Lane 0 link 1"]
    lines += [line for name in "abc" for line in (f"### Leaf {name}", *_calls(ledger, seconds))]
    lines += ["### Deeper", "- after: Leaf a"]
    lines += [line for name in "de" for line in (f"#### Leaf {name}", *_calls(ledger, seconds))]
    lines += ["## Join", "- integration: yes", "- check-file: report.txt", *_block('ls "$TASKGROVE_INPUTS" | tee report.txt')]
    return NotesFile(name="orchard.md", text="\n".join(lines))


def _calls(ledger: Path, seconds: float) -> list[str]:
    args = json.dumps({"path": str(ledger), "seconds": seconds})
    return ["- agent: python", "- call: effect", f"- args: {args}", '- check-schema: data: {"required": ["attempt"]}', ""]


def _block(script: str) -> list[str]:
    return ["", "```sh", script, "```", ""]


async def completed(grove: Grove, run_id: str) -> int:
    """How many tasks of the run are done."""
    return len(await grove.docs("tasks", run_id=run_id, phase=Phase.COMPLETED))


async def assert_whole(grove: Grove, run_id: str, ledger: Path) -> None:
    """Every task rests on one attempt that passed, every attempt is judged, and no effect was had without an attempt that was lost."""
    tasks = {task["_id"]: task for task in await grove.docs("tasks", run_id=run_id)}
    attempts = {attempt["_id"]: attempt for attempt in await grove.docs("attempts", run_id=run_id)}
    verdicts = {verdict["_id"]: verdict for verdict in await grove.docs("verdicts", run_id=run_id)}
    assert len(tasks) == TASKS + 1
    assert {task["phase"] for task in tasks.values()} == {Phase.COMPLETED}
    passed = [name for name, verdict in verdicts.items() if verdict["judgement"] == "passed" and attempts[name]["state"] == "executed"]
    assert sorted(passed) == sorted(attempt_id(name, task["epoch"]) for name, task in tasks.items())
    assert set(verdicts) == set(attempts)
    assert {verdict["state"] for verdict in verdicts.values()} == {"done"}
    _assert_effects(ledger, tasks, attempts)
    assert await grove.docs("quarantine") == []


def _assert_effects(ledger: Path, tasks: dict[str, Any], attempts: dict[str, Any]) -> None:
    effects = Counter(ledger.read_text(encoding="utf-8").split())
    assert {name: count for name, count in effects.items() if count > 1} == {}, "an attempt was made twice"
    assert effects.keys() <= attempts.keys(), "an effect was had without a claim"
    calling = [attempt_id(name, task["epoch"]) for name, task in tasks.items() if (task.get("inputs") or {}).get("call") == "effect"]
    assert len(calling) == LANES * LINKS + 5
    assert set(calling) <= effects.keys()
    again = effects.keys() - set(calling)
    assert {attempts[name]["state"] for name in again} <= {"lost", "failed", "released"}
    print(f"{len(attempts)} attempts at {len(tasks)} tasks, {len(again)} effects had again: {sorted(task_of(name) for name in again)}")
