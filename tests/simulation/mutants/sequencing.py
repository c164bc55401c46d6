"""Mistakes in the sequencer."""

from tests.simulation.mutants.mutant import Mutant

DECIDE = "services/sequencer/domain/decide.py"
ADVANCE = "services/sequencer/advance.py"
STORE = "services/sequencer/store.py"
ADOPT = "services/sequencer/adopt.py"
CONTROL = "services/sequencer/control.py"
HANDLERS = "services/sequencer/handlers.py"
ANSWER = "services/sequencer/domain/answer.py"
SWEEP = "services/sequencer/sweep.py"

SEQUENCING = (
    Mutant(
        "a verdict counts whatever its epoch",
        DECIDE,
        "if task.epoch != verdict.epoch or task.phase not in (Phase.READY, Phase.INTEGRATING):",
        "if task.phase not in (Phase.READY, Phase.INTEGRATING):",
        "the phase says already that a verdict is waited for",
    ),
    Mutant(
        "a verdict counts whatever the phase",
        DECIDE,
        "if task.epoch != verdict.epoch or task.phase not in (Phase.READY, Phase.INTEGRATING):",
        "if task.epoch != verdict.epoch:",
        "the epoch says already which attempt is meant",
    ),
    Mutant(
        "moves are written without looking at phase and epoch",
        STORE,
        'Update({"_id": {"$in": ids}, "phase": phase, "epoch": epoch}, self._change(how))',
        'Update({"_id": {"$in": ids}, "open": True}, self._change(how))',
        "the task was read a moment ago",
    ),
    Mutant(
        "a new try keeps its epoch",
        STORE,
        '{"epoch": 1} if how.dispatch or how.renew else {}',
        '{"epoch": 1} if how.renew else {}',
        "the number of tries is counted elsewhere",
    ),
    Mutant(
        "readiness by a counter instead of by looking",
        ADVANCE,
        """    in_the_way, obstacles, closed_off = await asyncio.gather(
        store.not_passing(asked), asyncio.gather(*(store.wide_obstacle(task.task_id) for task in wide)), _behind_blocked(store, blocked)
    )
""",
        """    known, obstacles, closed_off = await asyncio.gather(
        store.not_passing(asked), asyncio.gather(*(store.wide_obstacle(task.task_id) for task in wide)), _behind_blocked(store, blocked)
    )
    in_the_way = {name: is_open for name, is_open in known.items() if not is_open}
    for task in narrow:
        done = task.nudges + sum(name in passed for name in task.dependencies)
        await store.change({"_id": task.task_id}, {"nudges": done})
        in_the_way |= {name: True for name in task.dependencies if done < len(task.dependencies) and name not in in_the_way}
""",
        "one number is cheaper to read than all dependencies",
    ),
    Mutant(
        "one dependency that is done is enough",
        ADVANCE,
        "    if obstacle is True or task.paused or not may_go:",
        "    if task.paused or not may_go:",
        "we only come here when a dependency was completed",
    ),
    Mutant(
        "a parent is joined when none of its children is blocked",
        STORE,
        '*(self._tasks.find({"parent_id": p, "open": True}, ("open",), limit=1) for p in parent_ids)',
        '*(self._tasks.find({"parent_id": p, "phase": Phase.BLOCKED}, ("open",), limit=1) for p in parent_ids)',
        "what is not blocked is on its way",
    ),
    Mutant(
        "the parent is expanded before its children are there",
        ADOPT,
        """    grown_before, _ = await asyncio.gather(growing.written(), store.insert_sequence(_derived(soil, specs, order=order)))
    fields = (("children", len(specs)), ("in_order", in_order), ("plan_version", version), ("error", None), ("agent", "integrate"))
    done = await store.write([Move(task, How(Phase.EXPANDED, wait=PARENT_SECONDS, fields=fields))])
""",
        """\
    fields = (("children", len(specs)), ("in_order", in_order), ("plan_version", version), ("error", None), ("agent", "integrate"))
    done = await store.write([Move(task, How(Phase.EXPANDED, wait=PARENT_SECONDS, fields=fields))])
    grown_before, _ = await asyncio.gather(growing.written(), store.insert_sequence(_derived(soil, specs, order=order)))
""",
        "the compare-and-set first spares the inserts of whoever loses",
    ),
    Mutant(
        "children of what was cancelled meanwhile stay",
        ADOPT,
        "ITS_PARENT_ENDED)) if task.phase is Phase.CANCELLED else []",
        "ITS_PARENT_ENDED)) if task.phase is Phase.FAILED else []",
        "a cancelled task has no children yet",
        "off",
    ),
    Mutant(
        "cancelling a task leaves what is below it",
        CONTROL,
        "below = await cancel_below(store, task, error)",
        "below: list[Move] = []",
        "who looks for the children finds them orphaned",
        "off",
    ),
    Mutant(
        "resuming says nothing to those that were freed meanwhile",
        CONTROL,
        """    says = await look_again(store, task)
    # All""",
        """    says: list[Event] = []
    # All""",
        "they are told when what they wait for is done",
    ),
    Mutant(
        "what was written is not said again after a crash",
        HANDLERS,
        "    return [*says, *await still_going(deps.tasks, known), *(await freed_by(deps.tasks, closed) if closed else ())]",
        "    return says",
        "nothing was decided, so that there is nothing to say",
        "off",
    ),
    Mutant(
        "an answer counts for whatever is asked now",
        ANSWER,
        "if task.approval_id != answer.approval_id or task.phase not in (Phase.AWAITING_APPROVAL, Phase.ESCALATED):",
        "if task.phase not in (Phase.AWAITING_APPROVAL, Phase.ESCALATED):",
        "a task asks one thing at a time",
    ),
    Mutant(
        "the sweep passes over what is ready",
        STORE,
        """self._tasks.find({"due_at": {"$lte": ServerNow()}}, (*FIELDS, "dependencies"),""",
        """self._tasks.find({"due_at": {"$lte": ServerNow()}, "phase": {"$ne": "ready"}}, (*FIELDS, "dependencies"),""",
        "an executor has it",
    ),
    Mutant(
        "nothing is due while a person is asked",
        DECIDE,
        "    return How(Phase.ESCALATED, wait=ASK_SECONDS, fields=fields)",
        "    return How(Phase.ESCALATED, fields=fields)",
        "people take as long as they take",
    ),
    Mutant(
        "what is completed waits for nothing at once",
        DECIDE,
        "    return How(Phase.COMPLETED, wait=UNSETTLED_SECONDS if task.dependents else None, passes=True,",
        "    return How(Phase.COMPLETED, passes=True,",
        "it is over",
    ),
    Mutant(
        "an order is carried out each time it comes",
        CONTROL,
        "    if noted.is_dealt_with(order.control_id):",
        "    if order.task_id == order.control_id:",
        "the phase says whether it is still possible",
        workload="meddling",
    ),
    Mutant(
        "an order to do it again marks in one round",
        "services/sequencer/domain/again.py",
        "    return [moves for moves in second if moves]",
        "    return []",
        "what is marked is marked",
        workload="meddling",
    ),
)
