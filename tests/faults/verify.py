"""What must be true after any fault: read from the store and from the ledger of effects, which nothing of ours writes."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.approvals.domain.audit import verify as verify_chain
from shared.contracts.phases import TERMINAL, Phase
from shared.ids import attempt_id, task_of
from tests.faults.rig import Rig

Doc = dict[str, Any]


@dataclass
class Tally:
    """What came of some runs. `lost` and `doubled` must be 0; `again` counts effects of attempts that a fault ended, which is allowed."""

    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    effects: int = 0
    completed: int = 0
    lost: int = 0
    doubled: int = 0
    again: int = 0
    findings: list[str] = field(default_factory=list)

    def loses(self, what: str, ids: set[str]) -> None:
        """These are lost."""
        self.lost += len(ids)
        self._find(what, ids)

    def doubles(self, what: str, ids: set[str]) -> None:
        """These were had twice."""
        self.doubled += len(ids)
        self._find(what, ids)

    def breaks(self, what: str, ids: set[str]) -> None:
        """Something else is not as it must be."""
        self._find(what, ids)

    def _find(self, what: str, ids: set[str]) -> None:
        if ids:
            self.findings.append(f"{len(ids)} {what}: {', '.join(sorted(ids)[:5])}")


def judged_at(verdict: Doc) -> datetime:
    """When it was there: at once, or after something was run for it under a lease."""
    at: datetime = verdict.get("finished_at") or verdict["created_at"]
    return at


async def verify(rig: Rig, run_ids: list[str], *, quarantined: int = 0) -> Tally:
    """Look at these runs, all of which were accepted and should be over. `quarantined`: messages that may lie in quarantine."""
    of_runs = {"run_id": {"$in": run_ids}}
    tasks = {doc["_id"]: doc for doc in await rig.docs("tasks", **of_runs)}
    attempts = {doc["_id"]: doc for doc in await rig.docs("attempts", **of_runs)}
    verdicts = {doc["_id"]: doc for doc in await rig.docs("verdicts", **of_runs)}
    tally = Tally(runs=len(run_ids), tasks=len(tasks), attempts=len(attempts))
    _ends(tally, run_ids, tasks)
    _results(tally, tasks, attempts, verdicts=verdicts)
    _effects(tally, rig, run_ids, tasks=tasks, attempts=attempts)
    _order(tally, rig, tasks)
    chain = await rig.documents["audit"].find({}, sort=[("_id", 1)]).to_list()
    if finding := verify_chain(chain):
        tally.breaks(f"broken link of the audit chain ({finding.reason})", {finding.entry_id})
    letters = {doc["_id"] for doc in await rig.docs("quarantine")}
    tally.breaks(f"messages in quarantine, where {quarantined} may be", letters if len(letters) > quarantined else set())
    tally.breaks("processes that ended by themselves", {f"{death.name} ({death.status})" for death in rig.deaths if not death.meant})
    return tally


def _ends(tally: Tally, run_ids: list[str], tasks: dict[str, Doc]) -> None:
    tally.loses("accepted runs are not there", set(run_ids) - tasks.keys())
    tally.loses("tasks are not over", {name for name, task in tasks.items() if Phase(task["phase"]) not in TERMINAL})
    completed = {name for name, task in tasks.items() if task["phase"] == Phase.COMPLETED}
    tally.completed = len(completed & set(run_ids))
    # Nothing in these runs can fail by itself.
    tally.loses("tasks ended otherwise than completed", {name for name, task in tasks.items() if task["phase"] in TERMINAL} - completed)


def _results(tally: Tally, tasks: dict[str, Doc], attempts: dict[str, Doc], *, verdicts: dict[str, Doc]) -> None:
    """One adopted result a task: the last epoch's, executed and passed; none that passed before it."""
    passed = {name for name, verdict in verdicts.items() if verdict.get("judgement") == "passed" and name in attempts}
    by_task = Counter(attempts[name]["task_id"] for name in passed)
    tally.doubles("tasks have several attempts that passed", {task for task, count in by_task.items() if count > 1})
    done = {name for name, task in tasks.items() if task["phase"] == Phase.COMPLETED}
    adopted = {attempt_id(name, tasks[name]["epoch"]) for name in done}
    tally.loses("completed tasks have no attempt that passed", adopted - passed)
    tally.breaks("attempts are still running", {name for name, attempt in attempts.items() if attempt["state"] == "running"})
    tally.breaks("verdicts are not done", {name for name, verdict in verdicts.items() if verdict.get("state") != "done"})


def _effects(tally: Tally, rig: Rig, run_ids: list[str], *, tasks: dict[str, Doc], attempts: dict[str, Doc]) -> None:
    """The ledger's view: no attempt had its effect twice, none without a claim, and another had it again only where one was ended."""
    mine = set(run_ids)
    counts = Counter(effect.attempt_id for effect in rig.ledger.effects() if effect.attempt_id.partition(".")[0] in mine)
    tally.effects = sum(counts.values())
    tally.doubles("attempts had their effect twice", {name for name, count in counts.items() if count > 1})
    tally.doubles("effects were had without a claim", counts.keys() - attempts.keys())
    working = {name for name, task in tasks.items() if task["phase"] == Phase.COMPLETED and task.get("agent") in ("python", "shell")}
    last = {attempt_id(name, tasks[name]["epoch"]) for name in working}
    tally.loses("completed tasks had no effect", last - counts.keys())
    again = (counts.keys() & attempts.keys()) - last
    tally.again = len(again)
    ended = {"lost", "failed", "released", "cancelled"}
    tally.doubles(
        "effects were had again though the attempt before had ended well", {n for n in again if attempts[n]["state"] not in ended}
    )


def _order(tally: Tally, rig: Rig, tasks: dict[str, Doc]) -> None:
    """No effect before those of what the task waits for: by the ledger, whose lines all bear the time of one clock."""
    first: dict[str, float] = {}
    adopted: dict[str, float] = {}
    for effect in rig.ledger.effects():
        task = task_of(effect.attempt_id)
        first.setdefault(task, effect.at)
        if task in tasks and effect.attempt_id == attempt_id(task, tasks[task]["epoch"]):
            adopted[task] = effect.at
    needs = {name: [*(task.get("dependencies") or ())] for name, task in tasks.items() if name in first}
    early = {name for name, needed in needs.items() if any(first[name] < adopted.get(other, 0.0) for other in needed)}
    tally.breaks("tasks were begun before what they wait for was done", early)
