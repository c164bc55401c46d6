"""Judging by a checker alone: once each, under a lease what is slow, and with a verdict even where a check breaks."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.checker.checks import Check, NotJudged, Subject
from services.checker.domain import Case, admitted
from services.checker.handlers import on_tasks_executed, sweep
from shared.artifacts import ArtifactStore
from shared.catalogue.checks import CheckParams
from shared.contracts.checker import Evidence, TaskVerified
from shared.contracts.executor import Result
from shared.errors import TaskgroveError
from shared.service import Running
from shared.turns import Turns
from shared.workplace import Workplace
from tests.unit.checker.judging import put, verdict, verdicts

FILE = {"kind": "file", "path": "a"}


class Broken(Check):
    """A check of another package, with a mistake in it."""

    kind = "contains"

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        raise ZeroDivisionError(f"{params.kind} of {subject.title}")


async def test_what_is_quick_is_judged_and_said_at_once(checker: Running) -> None:
    good = await put(checker, "run.1", {"kind": "contains", "text": "did"})
    bad = await put(checker, "run.2", {"kind": "contains", "text": "done"})
    says = await on_tasks_executed([good, bad, good], checker.service.deps)
    assert says == [TaskVerified(run_id="run", verdicts=("run.1:1", "run.2:1"))]
    assert {name: doc["judgement"] for name, doc in (await verdicts(checker)).items()} == {"run.1:1": "passed", "run.2:1": "failed"}


async def test_heard_again_it_is_said_again_and_not_judged_again(checker: Running) -> None:
    event = await put(checker, "run.1", FILE)
    assert not await on_tasks_executed([event, event], checker.service.deps)
    first = await verdict(checker, "run.1:1")
    assert first["judgement"] == "failed"
    assert await on_tasks_executed([event], checker.service.deps) == [TaskVerified(run_id="run", verdicts=("run.1:1",))]
    assert await verdict(checker, "run.1:1") == first


async def test_what_still_runs_is_left_alone(checker: Running) -> None:
    assert not await on_tasks_executed([await put(checker, "run.1", state="running")], checker.service.deps)
    assert await verdicts(checker) == {}


async def test_a_judgement_whose_checker_died_is_made_anew(checker: Running) -> None:
    await put(checker, "run.1", FILE)
    lease = {"state": "running", "owner": "who died", "due_at": checker.ground.clock.now(), "epoch": 1}
    await checker.ground.database["verdicts"].insert([{"_id": "run.1:1", **lease}])
    assert not await sweep(checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["judgement"] == "failed"


async def test_what_a_killed_checker_left_of_the_same_attempt_is_not_in_the_way(checker: Running) -> None:
    """As the fault scenario broker-purge found it: sound work was judged failed, and done again."""
    artifact = await ArtifactStore.open(checker.ground.settings.artifacts_url).put_bytes(b"done", name="out.txt")
    event = await put(checker, "run.1", {"kind": "command", "run": "test -s out.txt"}, result={"artifacts": [artifact.wire()]})
    killed = Workplace(checker.ground.settings.work_dir, "checker").directory("check-run.1_1")
    killed.mkdir()
    (killed / "out.txt").write_text("half")
    assert not await on_tasks_executed([event], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert (found["judgement"], found["error"]) == ("passed", None)
    assert [left.name for left in checker.ground.settings.work_dir.glob("checker-*/*")] == ["check-run.1_1"], "its own are gone"


async def test_two_who_judge_one_attempt_at_once_do_not_share_a_directory(checker: Running) -> None:
    artifact = await ArtifactStore.open(checker.ground.settings.artifacts_url).put_bytes(b"done", name="out.txt")
    checks = [{"kind": "command", "run": "sleep 0.2; test -s out.txt"}]
    await put(checker, "run.1", *checks, result={"artifacts": [artifact.wire()]})
    (case,) = await checker.service.deps.verdicts.cases(["run.1:1"])
    found = await asyncio.gather(*(checker.service.deps.judge.verdict(case) for _ in range(2)))
    assert [verdict["judgement"] for verdict in found] == ["passed", "passed"]


async def test_a_check_that_breaks_is_not_passed(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    deps = checker.service.deps
    monkeypatch.setitem(deps.judge._checks, "contains", Broken())  # noqa: SLF001 (as an installed package would put it there)
    await on_tasks_executed([await put(checker, "run.1", {"kind": "contains", "text": "did"})], deps)
    found = await verdict(checker, "run.1:1")
    assert found["judgement"] == "failed"
    assert "the check itself broke: ZeroDivisionError: contains of run.1" in found["error"]["message"]


async def test_a_check_that_is_none_is_not_passed(checker: Running) -> None:
    await on_tasks_executed([await put(checker, "run.1", {"kind": "nonsense"})], checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["judgement"] == "failed"


async def test_a_parent_needs_all_its_children(checker: Running) -> None:
    event = await put(checker, "run.1", children=2)
    children = [("a", "completed"), ("b", "cancelled")]
    docs = [{"_id": f"run.1.{key}", "parent_id": "run.1", "title": key, "phase": phase, "position": 0} for key, phase in children]
    await checker.ground.database["tasks"].insert(docs)
    await on_tasks_executed([event], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert (found["error"]["code"], found["error"]["message"]) == ("children_failed", "not done below it: b (cancelled)")


class Watching(Check):
    """The check `model`, which notes when it is asked, and whether all slots were taken then."""

    kind = "model"

    def __init__(self, turns: Turns, *, says: bool = True, error: TaskgroveError | None = None) -> None:
        self.asked: list[bool] = []
        self._turns = turns
        self._says = says
        self._error = error

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        self.asked.append(self._turns._free == 0)  # noqa: SLF001
        if self._error:
            raise self._error
        detail = f"{params.kind} of {subject.attempt_id} in {subject.run_id}, {subject.anew}"
        return Evidence(check="model: x", passed=self._says, detail=detail)


MODEL = {"kind": "model", "criteria": "x"}


def watch(checker: Running, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Watching:
    judge = checker.service.deps.judge
    judge._turns = Turns(1)  # noqa: SLF001 (so that it can be seen whether one is held)
    watching = Watching(judge._turns, **how)  # noqa: SLF001
    monkeypatch.setitem(judge._checks, "model", watching)  # noqa: SLF001 (as an installed package would put it there)
    return watching


async def test_a_model_is_asked_last_and_holds_no_slot(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = watch(checker, monkeypatch)
    event = await put(checker, "run.1", MODEL, {"kind": "contains", "text": "did"}, {"kind": "command", "run": "true"})
    await checker.ground.database["tasks"].update({"_id": "run.1"}, {"$set": {"anew": "order 1"}})
    assert not await on_tasks_executed([event], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert [one["check"].partition(":")[0] for one in found["evidence"]] == ["contains", "command", "model"]
    assert (found["judgement"], watching.asked) == ("passed", [False])
    assert found["evidence"][-1]["detail"] == "model of run.1:1 in run, order 1"


async def test_a_model_is_not_asked_about_what_failed_already(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = watch(checker, monkeypatch)
    await on_tasks_executed([await put(checker, "run.1", MODEL, FILE, MODEL)], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert (found["judgement"], watching.asked) == ("failed", [])
    assert [one["detail"] for one in found["evidence"][1:]] == ["not asked, because of: file: a"] * 2


async def test_the_second_model_check_is_not_asked_when_the_first_failed(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = watch(checker, monkeypatch, says=False)
    await on_tasks_executed([await put(checker, "run.1", MODEL, MODEL)], checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["error"]["code"] == "check_failed"
    assert len(watching.asked) == 1


async def test_what_could_not_be_judged_is_no_fault_of_the_work(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(checker, monkeypatch, error=NotJudged("nobody answers"))
    await on_tasks_executed([await put(checker, "run.1", MODEL, {"kind": "contains", "text": "did"})], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert found["error"] == {"code": "not_judged", "message": "nobody answers", "permanent": True}
    assert [one["passed"] for one in found["evidence"]] == [True]


RUNS = {"kind": "command", "run": "true"}


async def test_without_walls_a_command_of_a_model_is_a_persons_business(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = watch(checker, monkeypatch)
    await on_tasks_executed(
        [await put(checker, "run.1", RUNS, {"kind": "contains", "text": "did"}, MODEL, by_model=True)], checker.service.deps
    )
    found = await verdict(checker, "run.1:1")
    assert (found["judgement"], found["error"]["code"], found["error"]["permanent"]) == ("failed", "not_judged", True)
    assert "the check 'command: true' was not run" in found["error"]["message"]
    assert "TASKGROVE_MODEL_COMMANDS=always" in found["error"]["message"]
    assert [one["check"].partition(":")[0] for one in found["evidence"]] == ["contains"], "what could be seen is kept"
    assert watching.asked == []


async def test_without_walls_work_that_is_wrong_is_tried_again(checker: Running) -> None:
    await on_tasks_executed([await put(checker, "run.1", RUNS, {"kind": "contains", "text": "done"}, by_model=True)], checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["error"]["code"] == "check_failed"


async def test_without_walls_a_command_of_a_person_runs(checker: Running) -> None:
    await on_tasks_executed([await put(checker, "run.1", RUNS)], checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["judgement"] == "passed"


async def test_a_checker_that_leaves_hands_its_judgements_back_and_begins_none(checker: Running) -> None:
    judge, deps = checker.service.deps.judge, checker.service.deps
    await on_tasks_executed([await put(checker, "run.1", {"kind": "command", "run": "sleep 30"})], deps)
    await asyncio.sleep(0)
    judge.stop_claiming()
    assert await on_tasks_executed([await put(checker, "run.2", FILE)], deps) == []
    await judge.drain(0)
    left = await verdicts(checker)
    assert {name: (doc["state"], doc["owner"]) for name, doc in left.items()} == {"run.1:1": ("running", ""), "run.2:1": ("running", "")}
    assert max(doc["due_at"] for doc in left.values()) <= checker.ground.clock.now()


async def test_what_was_handed_back_is_judged_at_the_next_look_and_is_no_rescue(checker: Running) -> None:
    await put(checker, "run.1", FILE)
    await put(checker, "run.2", FILE)
    lease = {"run_id": "run", "state": "running", "due_at": checker.ground.clock.now(), "epoch": 1}
    handed_back = {"_id": "run.1:1", "task_id": "run.1", "owner": "", **lease}
    abandoned = {"_id": "run.2:1", "task_id": "run.2", "owner": "who died", **lease}
    await checker.ground.database["verdicts"].insert([handed_back, abandoned])
    await sweep(checker.service.deps)
    assert {(await verdict(checker, name))["judgement"] for name in ("run.1:1", "run.2:1")} == {"failed"}
    assert checker.ground.metrics.registry.get_sample_value("taskgrove_sweep_rescued_total", {"what": "verdict"}) == 1


@pytest.mark.parametrize("change", [{"phase": "cancelled"}, {"epoch": 2}], ids=["cancelled", "tried anew"])
async def test_what_nobody_waits_for_any_more_is_not_judged_to_its_end(checker: Running, change: dict[str, Any]) -> None:
    judge = checker.service.deps.judge
    await on_tasks_executed([await put(checker, "run.1", {"kind": "command", "run": "sleep 60"})], checker.service.deps)
    await asyncio.sleep(0.1)
    assert judge.running
    await checker.ground.database["tasks"].update({"_id": "run.1"}, {"$set": change})
    async with asyncio.timeout(10):
        while judge.running:
            await asyncio.sleep(0.02)
    (verdict,) = await checker.ground.database["verdicts"].find({})
    assert (verdict["state"], verdict["judgement"], "due_at" in verdict) == ("done", "cancelled", False)


def cases(**runs: int) -> list[Case]:
    """So many of each run, one after the other."""
    common = {"task_id": "t", "epoch": 1, "title": "T", "state": "executed", "result": Result(), "error": None, "reason": None}
    return [
        Case(attempt_id=f"{run}.{n}:1", run_id=run, checks=(), is_parent=False, **common)
        for run, count in runs.items()
        for n in range(count)
    ]


def test_one_run_alone_has_all_room_and_a_small_one_finds_some_beside_it() -> None:
    mine, rest = admitted(cases(big=150), {}, most=100)
    assert (len(mine), len(rest)) == (100, 50)
    mine, rest = admitted(cases(big=10, small=5), {"big": 100}, most=100)
    assert ([case.run_id for case in mine], len(rest)) == (["small"] * 5, 10)
    assert admitted(cases(big=1), {"big": 10**6}, most=100)[0] == []
    assert admitted(cases(big=1), {}, most=0)[0] == []


def test_however_many_runs_there_are_it_is_bounded() -> None:
    held: Counter[str] = Counter()
    for number in range(500):
        mine, _ = admitted(cases(**{f"run{number}": 200}), held, most=100)
        held[f"run{number}"] += len(mine)
        held = +held
    assert sum(held.values()) <= 100 * sum(1 / n for n in range(1, 101))


async def test_what_a_checker_has_no_room_for_waits_for_whoever_has(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    deps = checker.service.deps
    monkeypatch.setattr(deps.judge, "_most", 2)
    events = [await put(checker, f"run.{number}", {"kind": "command", "run": "sleep 0.1"}) for number in range(1, 8)]
    assert not await on_tasks_executed(events, deps)
    assert len(deps.judge.running) == 2
    assert not await sweep(deps), "it has no room yet"
    assert sorted(bool(doc["owner"]) for doc in (await verdicts(checker)).values()) == [False] * 5 + [True] * 2
    async with asyncio.timeout(10):
        while any(doc["state"] != "done" for doc in (await verdicts(checker)).values()):
            await sweep(deps)
            assert len(deps.judge.running) <= 2
            await asyncio.sleep(0.02)
    assert {doc["judgement"] for doc in (await verdicts(checker)).values()} == {"passed"}


async def test_a_small_run_is_judged_before_all_of_a_big_one(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    deps = checker.service.deps
    monkeypatch.setattr(deps.judge, "_turns", Turns(1))
    big = [await put(checker, f"run.{number}", RUNS) for number in range(1, 21)]
    small = await put(checker, "small.1", RUNS, run_id="small")
    await on_tasks_executed([*big, small.model_copy(update={"run_id": "small"})], deps)
    await verdict(checker, "small.1:1")
    assert [doc["state"] for doc in (await verdicts(checker)).values()].count("done") <= 5
