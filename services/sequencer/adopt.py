"""A plan becomes tasks: derive its sequence, grow its documents, let what waits for nothing go."""

import asyncio
from collections import Counter
from collections.abc import Sequence as SequenceOf
from typing import Any

import structlog

from services.sequencer.advance import ITS_PARENT_ENDED, advance, approval_requested, cancel_below, look_again, look_below, say
from services.sequencer.domain.answer import after_plan_failed
from services.sequencer.domain.ask import approval_id, asking_plan
from services.sequencer.domain.decide import ASK_SECONDS, PARENT_SECONDS, PLAN_SECONDS
from services.sequencer.domain.grow import Soil, grow, made_by_model, named_by, root_document
from services.sequencer.domain.phases import Frozen, How, Move
from services.sequencer.domain.task import Task, task_from
from services.sequencer.growing import Growing, Tell
from services.sequencer.retell import let_go, still_wanted
from services.sequencer.store import TaskStore
from shared.aside import aside
from shared.clock import after
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.errors import BadInput, LimitExceeded
from shared.ids import child_id, plan_id, run_of
from shared.sequence import Sequence, sequence

NOT_PLANNED = "Not planned"

log = structlog.get_logger()


async def adopt(store: TaskStore, event: PlanProposed, *, tell: Tell) -> list[Event]:
    """Carry out a proposed plan: once, however often it is proposed. `tell` says at once what must not wait for the rest of a large one."""
    (header, specs), found = await asyncio.gather(store.plan(event.plan_id), store.get([event.task_id]))
    task = found.get(event.task_id) or await plant(store, header)
    if task.phase not in (Phase.EXPANDING, Phase.REPLANNING) or header["version"] != task.plan_version + 1:
        return await _not_waited_for(store, task, header)
    if task.parent_id is None and header["options"].get("review") and not await _reviewed(store, task):
        return await _ask_for_review(store, task, header)
    try:
        _refuse_unfit(specs)
        order = await aside(lambda: sequence(specs), size=len(specs))
        await _refuse_too_large(store, task, header["version"], count=len(specs))
    except BadInput as error:
        log.warning("plan.refused", task_id=task.task_id, plan_id=event.plan_id, error=str(error))
        return await _refused(store, task, str(error))
    return await _grow(store, task, header, order=order, specs=specs, tell=tell)


async def _not_waited_for(store: TaskStore, task: Task, header: dict[str, Any]) -> list[Event]:
    """Whoever heard of the plan before may have died over it: before looking at what had grown, and ended, or before taking it away."""
    if task.phase is Phase.EXPANDED and header["version"] == task.plan_version:
        return await let_go(store, [task])
    return [*await _uproot(store, task, header), *still_wanted([task])]


async def refuse(store: TaskStore, event: PlanFailed) -> list[Event]:
    """There is no plan; a run that never began gets a root that says why."""
    task = (await store.get([event.task_id])).get(event.task_id)
    if task is None:
        task = await plant(store, {"run_id": event.run_id, "title": NOT_PLANNED})
    if event.plan_id != plan_id(task.task_id, task.plan_version + 1):
        return still_wanted([task])
    return await _refused(store, task, event.error)


async def _refused(store: TaskStore, task: Task, error: str) -> list[Event]:
    move = after_plan_failed(task, error)
    return await advance(store, [move]) if move else still_wanted([task])


async def plant(store: TaskStore, header: dict[str, Any]) -> Task:
    """The root of a run that nobody has heard of yet: from its plan, or bare, where it has none and there is something to say of it."""
    run_id = header["run_id"]
    root = root_document(
        run_id=run_id, title=header.get("title", ""), description=header.get("description", ""), header=header, now=store.clock.now()
    )
    somebody_did = await store.insert([root | {"due_at": after(store.clock, PLAN_SECONDS)}])
    return (await store.get([run_id]))[run_id] if somebody_did else task_from(root)


async def _reviewed(store: TaskStore, task: Task) -> bool:
    return bool(await store.find({"_id": task.task_id, "approved_plan": True}))


async def _ask_for_review(store: TaskStore, task: Task, header: dict[str, Any]) -> list[Event]:
    asking, question = asking_plan(task.title, task.task_id, header["digest"]), approval_id(task, "plan")
    how = How(Phase.AWAITING_APPROVAL, wait=ASK_SECONDS, fields=(("asking", Frozen(asking)), ("approval_id", question)))
    return [approval_requested(move.task, question, asking) for move in await store.write([Move(task, how)])]


def _refuse_unfit(specs: SequenceOf[TaskSpec]) -> None:
    """What no planner of ours proposes. Others' plans are not read before they are kept."""
    if not specs:
        raise BadInput("the plan has no tasks; mend the planner that made it")
    if twice := [key for key, count in Counter(spec.key for spec in specs).items() if count > 1]:
        raise BadInput(f"the plan has several tasks with the key {twice[0]!r}; mend the planner that made it")


async def _refuse_too_large(store: TaskStore, task: Task, version: int, *, count: int) -> None:
    run_id = run_of(task.task_id)
    options, size = await asyncio.gather(store.options(run_id), store.size_of_run(run_id))
    most, deepest = options.get("max_tasks", 20_000), options.get("max_depth", 8)
    if task.depth + 1 > deepest:
        raise LimitExceeded(f"the plan for {task.title!r} is {task.depth + 1} levels deep; at most {deepest} are allowed (option maxDepth)")
    total = size - 1 + count
    # Where some are there already, an adoption was interrupted: it was not too large then, and what has begun goes on.
    if total > most and not await store.count([child_id(task.task_id, version, number) for number in range(1, count + 1)]):
        raise LimitExceeded(f"the run would have {total} tasks; at most {most} are allowed (option maxTasks)")


async def _grow(
    store: TaskStore, task: Task, header: dict[str, Any], *, order: Sequence, specs: SequenceOf[TaskSpec], tell: Tell
) -> list[Event]:
    run_id, version = run_of(task.task_id), header["version"]
    if task.parent_id is None and task.title == NOT_PLANNED:
        await store.change({"_id": task.task_id}, named_by(header))
    by_model = made_by_model(header) or task.by_model
    soil = Soil(
        run_id, task.task_id, header["_id"], version, task.depth + 1, task.paused, store.clock.now(), by_model=by_model, reruns=task.reruns
    )
    # Of a first plan in its own order, the children need not be read to be named: their ids count them.
    in_order = version == 1 and all(key == spec.key for key, spec in zip(order.order, specs, strict=True))
    documents = grow(specs, order, soil)
    growing = Growing(store, task, tell, documents, len(specs))
    grown_before, _ = await asyncio.gather(growing.written(), store.insert_sequence(_derived(soil, specs, order=order)))
    fields = (("children", len(specs)), ("in_order", in_order), ("plan_version", version), ("error", None), ("agent", "integrate"))
    done = await store.write([Move(task, How(Phase.EXPANDED, wait=PARENT_SECONDS, fields=fields))])
    if not done:
        now = (await store.get([task.task_id])).get(task.task_id)
        return await _uproot(store, now, header) if now else []
    log.info("plan.adopted", task_id=task.task_id, plan_id=header["_id"], tasks=len(specs), groups=len(order.groups))
    over, found = await asyncio.gather(store.any_over(task.task_id), store.get([task.task_id]))
    # What grew before, or is over already, may have gone on or come to its end without anybody who looked at its parent.
    further = await look_below(store, [task.task_id]) if grown_before or over else []
    return [*say(growing.unsaid), *further, *await _caught_up(store, task, found[task.task_id])]


async def _caught_up(store: TaskStore, task: Task, now: Task) -> list[Event]:
    """Whoever paused or resumed the task while its children grew did not reach them all."""
    if now.paused is task.paused:
        return []
    await store.change({"parent_id": task.task_id, "open": True}, {"paused": now.paused})
    return [] if now.paused else await look_again(store, task)


async def _uproot(store: TaskStore, task: Task, header: dict[str, Any]) -> list[Event]:
    """The task was cancelled while its children grew, or shall have another plan: they go. Adopted by another replica, they stay."""
    if header["version"] in task.dropped:
        await store.remove([one.task_id for one in await store.find({"parent_id": task.task_id, "plan_id": header["_id"]})])
    return say(await cancel_below(store, task, ITS_PARENT_ENDED)) if task.phase is Phase.CANCELLED else []


def _derived(soil: Soil, specs: SequenceOf[TaskSpec], *, order: Sequence) -> dict[str, Any]:
    """What `sequences` keeps: order, groups and edges are on the tasks themselves."""
    ids = soil.ids(specs)
    return {
        "_id": soil.plan_id,
        "run_id": soil.run_id,
        "task_id": soil.parent_id,
        "order_count": len(order.order),
        "critical_path": [ids[key] for key in order.critical_path],
        "integration": [ids[key] for key in order.integration],
        "groups": len(order.groups),
        "edges": len(order.edges),
        "forecast_seconds": order.forecast_seconds,
    }
