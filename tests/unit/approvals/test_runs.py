"""A run as one document: out of one store, into a fresh one, and the same again."""

import asyncio
import copy
from typing import Any

import pytest

from services.approvals.domain.runs import MOST_BYTES, MOST_DOCS, parts
from shared.contracts.approvals import RunImported
from shared.contracts.sequencer import ApprovalRequested
from shared.contracts.views import TaskView
from shared.ids import new_id
from shared.imports import take_slice
from tests.unit.approvals.desk import Desk, attempt, event_of, model_call, task, until, verdict

OTHERS = ("tasks", "sequences", "plans", "attempts", "verdicts", "planner_calls", "executor_calls", "checker_calls")
ALL = (*OTHERS, "approvals", "submissions", "imports", "feed")


async def finished(desk: Desk) -> str:
    """A finished run of many tasks, with something in every slice."""
    run = str((await desk.as_("sue").post("/tasks", json={"description": "Bake"})).json()["taskId"])
    now = desk.ground.clock.now().replace(microsecond=0)
    ended = {"phase": "completed", "open": False, "created_at": now, "finished_at": now}
    ids = [f"{run}.{n}" for n in range(1, 1_201)]
    await desk.put("tasks", task(run, **ended, children=len(ids)), *(task(name, **ended) for name in ids))
    await desk.put("attempts", *(attempt(name, claimed_at=now, finished_at=now, owner="e1") for name in ids))
    await desk.put("verdicts", *(verdict(name, created_at=now) for name in ids))
    await desk.put("sequences", {"_id": f"{run}@1", "run_id": run, "task_id": run, "critical_path": [ids[0]], "integration": []})
    await desk.put(
        "plans", {"_id": f"{run}@1", "part": False, "run_id": run, "created_at": now}, {"_id": f"{run}@1#0", "part": True, "run_id": run}
    )
    await desk.put("planner_calls", model_call(run, created_at=now))
    await desk.put("executor_calls", model_call(ids[0], created_at=now), model_call(ids[1], created_at=now, usd=None))
    question = {"kind": "checkpoint", "title": "t", "question": "q", "choices": ("approve",), "digest": "d"}
    await desk.hears(ApprovalRequested.model_validate({"run_id": run, "task_id": ids[0], "approval_id": f"{ids[0]}:before:1", **question}))
    return run


async def wipe(desk: Desk) -> None:
    """A fresh store, but for the principals."""
    for name in ALL:
        await desk.ground.database[name].delete({})


async def others_take(desk: Desk, run: str) -> None:
    """Be the other services: hear of the import and take their slices."""
    await until(lambda: _imported(desk, run))
    event = event_of(desk.said, RunImported, run)[0]
    assert isinstance(event, RunImported)
    for name in OTHERS:
        await take_slice(desk.ground.database, event, (name,))


class TestRuns:
    async def test_comes_back_as_it_was(self, desk: Desk) -> None:
        run = await finished(desk)
        before = (await desk.as_("vic").get(f"/tasks/{run}", params={"tree": "full"})).json()
        exported = await desk.as_("vic").get(f"/tasks/{run}/export")
        assert exported.status_code == 200
        assert exported.headers["content-disposition"] == f'attachment; filename="{run}.json"'
        document = exported.json()
        assert {name: len(docs) for name, docs in document["slices"].items()} == {
            "tasks": 1_201, "attempts": 1_200, "verdicts": 1_200, "sequences": 1, "plans": 2, "approvals": 1, "submissions": 1,
            "planner_calls": 1, "executor_calls": 2, "checker_calls": 0,
        }  # fmt: skip
        assert document["usage"] == {"seconds": 1_800, "promptTokens": 300, "completionTokens": 30, "usd": 1.0, "unpriced": 1}
        assert [call["usd"] for call in document["slices"]["executor_calls"]] == [0.5, None]
        assert "reply" not in document["slices"]["planner_calls"][0], "what was paid for, not what was said"
        await wipe(desk)
        answer, _ = await asyncio.gather(desk.as_("ada").post("/imports", content=exported.content), others_take(desk, run))
        assert answer.status_code == 201
        assert TaskView.model_validate_json(answer.content).task_id == run
        await until(lambda: _own(desk, run))
        assert (await desk.as_("vic").get(f"/tasks/{run}", params={"tree": "full"})).json() == before
        again = (await desk.as_("vic").get(f"/tasks/{run}/export")).json()
        for name in OTHERS:
            assert again["slices"][name] == document["slices"][name], name
        assert [one["state"] for one in again["slices"]["approvals"]] == ["withdrawn"]
        assert await desk.docs("tasks", due_at={"$exists": True}) == []

    async def test_is_announced_until_all_have_taken_it(self, desk: Desk) -> None:
        run = await finished(desk)
        content = (await desk.as_("vic").get(f"/tasks/{run}/export")).content
        await wipe(desk)
        assert (await desk.as_("ada").post("/imports", content=content)).status_code == 201
        assert event_of(await desk.sweep_all("imports"), RunImported, run)
        await others_take(desk, run)
        await until(lambda: _own(desk, run))
        assert await desk.sweep_all("imports") == []
        assert {"done_at" in doc for doc in await desk.docs("imports")} == {True}

    async def test_parts_of_an_import_that_broke_off_go_in_a_week(self, desk: Desk) -> None:
        imports, run = desk.deps.imports, new_id()
        await imports.store_part("broken", 0, name="tasks", docs=[task(run)])
        await imports.store_part("whole", 0, name="tasks", docs=[task(run)])
        assert await imports.announce(run, "whole", last={"tasks": run})
        # One process died right after it announced: its sweep, or another's, does the rest.
        await imports.store_part("late", 0, name="tasks", docs=[task("late")])
        await desk.put(
            "imports",
            {
                "_id": "run:late",
                "run_id": "late",
                "header_of": "late",
                "last": {"tasks": "late"},
                "wait": 1.0,
                "due_at": desk.ground.clock.now(),
            },
        )
        await desk.sweep_all("imports")
        kept = {doc["import_id"]: "done_at" in doc for doc in await desk.docs("imports") if "import_id" in doc}
        assert kept == {"broken": True, "whole": False, "late": False}

    async def test_is_imported_once(self, desk: Desk) -> None:
        run = await finished(desk)
        content = (await desk.as_("vic").get(f"/tasks/{run}/export")).content
        assert (await desk.as_("ada").post("/imports", content=content)).status_code == 409
        await wipe(desk)
        both = await asyncio.gather(*(desk.as_("ada").post("/imports", content=content) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [201, 409]
        headers = await desk.docs("imports", run_id=run)
        assert {doc.get("import_id", headers[0]["header_of"]) for doc in await desk.docs("imports")} == {headers[0]["header_of"]}

    async def test_children_are_looked_for_whatever_the_document_says_of_them(self, desk: Desk) -> None:
        document = copy.deepcopy(await self._small(desk))
        document["slices"]["tasks"][0] |= {"in_order": True, "children": 10**9}
        await wipe(desk)
        assert (await desk.as_("ada").post("/imports", json=document)).status_code == 201
        kept = [doc for part in await desk.docs("imports") for doc in part.get("docs", ())]
        assert kept
        assert not [doc for doc in kept if "in_order" in doc]

    @pytest.mark.parametrize(
        ("change", "status", "words"),
        [
            (lambda d: d["slices"]["tasks"][0].update(phase="running"), 409, "only finished runs"),
            (lambda d: d["slices"]["tasks"][0].update(_id="other.1"), 422, "does not belong"),
            (lambda d: d["slices"]["attempts"][0].update(run_id="other"), 422, "slices.attempts.0"),
            (lambda d: d["slices"]["tasks"].pop(0), 422, "root task"),
            (lambda d: d["slices"]["tasks"][1].pop("epoch"), 422, "not as this version exports"),
            (lambda d: d["slices"]["tasks"][1].update(created_at="yesterday"), 422, "has a date"),
            (lambda d: d["slices"].update(principals=[{}]), 422, "slices.principals"),
            (lambda d: d["slices"]["submissions"][0].update(kind="key"), 422, "submission, with the id of the run, or control"),
            (lambda d: d["slices"]["submissions"][0].update(_id="other"), 422, "submission, with the id of the run, or control"),
            (lambda d: d["slices"]["submissions"][0].pop("at"), 422, "not as this version exports"),
            (lambda d: d["slices"]["submissions"][0]["event"].pop("runId"), 422, "not as this version exports"),
            (lambda d: d["slices"]["approvals"][0].update(_id="other.1:before:1"), 422, "does not belong"),
            (lambda d: d["slices"]["approvals"][0].update(task_id="other.1"), 422, "does not belong"),
            (lambda d: d["slices"]["approvals"][0].pop("votes"), 422, "not as this version exports"),
            (lambda d: d["slices"]["approvals"][0].pop("question"), 422, "not as this version exports"),
            (lambda d: d.update(taskgrove="run/9"), 422, "run/1"),
            (lambda d: d.pop("runId"), 422, "runId"),
            (lambda d: d["slices"]["tasks"][0]["inputs"].update(n=2**63), 422, "64 bits"),
        ],
    )
    async def test_what_is_no_finished_run_is_refused(self, desk: Desk, change: Any, status: int, words: str) -> None:
        document = copy.deepcopy(await self._small(desk))
        change(document)
        answer = await desk.as_("ada").post("/imports", json=document)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
        assert await desk.docs("imports") == []

    async def test_a_part_of_a_run_is_no_run(self, desk: Desk) -> None:
        await desk.put("tasks", task("r"), task("r.1"))
        assert (await desk.as_("vic").get("/tasks/r.1/export")).status_code == 422
        waiting = (await desk.as_("sue").post("/tasks", json={"description": "x"})).json()["taskId"]
        assert (await desk.as_("vic").get(f"/tasks/{waiting}/export")).status_code == 409
        assert (await desk.as_("ada").post("/imports", content=b"{")).status_code == 422

    async def _small(self, desk: Desk) -> Any:
        run = str((await desk.as_("sue").post("/tasks", json={"description": "Bake"})).json()["taskId"])
        await desk.put("tasks", task(run, phase="failed"), task(f"{run}.1", phase="skipped"))
        await desk.put("attempts", attempt(f"{run}.1"))
        question = {"kind": "checkpoint", "title": "t", "question": "q", "choices": ("approve",), "digest": "d"}
        asked = {"run_id": run, "task_id": f"{run}.1", "approval_id": f"{run}.1:before:1", **question}
        await desk.hears(ApprovalRequested.model_validate(asked))
        document = (await desk.as_("vic").get(f"/tasks/{run}/export")).json()
        await wipe(desk)
        return document


def test_parts_are_small_enough() -> None:
    large = [{"_id": str(n), "text": "x" * 1_000_000} for n in range(10)]
    cut = list(parts([*large, *({"_id": f"s{n}"} for n in range(MOST_DOCS * 2))]))
    assert [doc["_id"] for part in cut for doc in part][:3] == ["0", "1", "2"]
    assert all(len(part) <= MOST_DOCS for part in cut)
    assert all(sum(len(doc.get("text", "")) for doc in part) <= MOST_BYTES for part in cut)


async def _imported(desk: Desk, run: str) -> bool:
    return bool(event_of(desk.said, RunImported, run))


async def _own(desk: Desk, run: str) -> bool:
    return bool(await desk.docs("submissions", _id=run)) and bool(await desk.docs("approvals", run_id=run))
