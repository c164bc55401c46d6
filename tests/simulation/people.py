"""People in the simulated world: they submit, answer, give orders at bad moments, some twice, and in the end help everything to its end."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from services.approvals.answering import answer_question
from services.approvals.api.bodies import DecisionBody, SubmitBody, UpdateBody
from services.approvals.api.orders import order
from services.approvals.api.submissions import submit
from services.approvals.deps import Deps
from services.approvals.domain.principals import ADMIN, APPROVER, SUBMITTER, Principal
from shared.contracts.phases import Action, Phase, legal_actions
from shared.errors import TaskgroveError, Unavailable
from shared.ids import run_of
from shared.storage.port import Doc
from tests.simulation.records import Records, Run
from tests.simulation.world import NoAnswer, World

ADA = Principal("ada", frozenset({ADMIN}), frozenset())
BOB = Principal("bob", frozenset({APPROVER, SUBMITTER}), frozenset())
APPROVERS = {"ada": ADA, "bob": BOB}
RESULT = {"summary": "done by hand", "data": {"good": True}}
MOST_HELP = 2
ORDERS = {
    Action.CANCEL: 3, Action.PAUSE: 5, Action.RESUME: 2, Action.RETRY: 4, Action.RERUN: 4, Action.COMPLETE: 3,
}  # fmt: skip
AMBUSHES = (Action.CANCEL, Action.CANCEL, Action.COMPLETE, Action.RETRY, Action.RERUN, Action.PAUSE)
AMBUSHED = 0.6
NOT_WITHOUT_SWEEP = (Action.PAUSE, Action.RESUME)
"""A parent that is resumed is looked at by the sweep."""

Call = Callable[[Deps], Awaitable[Any]]


class People:
    """All of them; everything that they do is drawn from the seed."""

    meddling: tuple[int, ...] = (1, 1, 2, 4)
    """So many orders for one run."""
    orders: Mapping[Action, int] = ORDERS
    """Which, and how often beside the others."""

    def __init__(self, world: World, records: Records) -> None:
        self._world = world
        self._watch = records.watch
        self._accepted = records.accepted
        self._runs = records.runs
        self._draw = world.random
        self._busy: set[str] = set()
        self._helped: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def live(self) -> None:
        """Returns when all runs are over, nobody is asked, and nobody wants anything any more."""
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._submit(run)) for run in self._runs]
            self._tasks += [group.create_task(self._meddle(run)) for run in self._runs if not run.fair]
            self._tasks += [group.create_task(self._ambush(run)) for run in self._runs if not run.fair and self._draw.random() < AMBUSHED]
            while not self._is_over():
                self._answer_some(group)
                if self._calm():
                    self._resume_some(group)
                await asyncio.sleep(0.25)

    def _calm(self) -> bool:
        return self._world.faults.over or self._world.loop.time() > self._world.faults.seconds

    def _is_over(self) -> bool:
        watch = self._watch
        if watch.open or watch.questions or self._busy or not all(task.done() for task in self._tasks):
            return False
        return all(run.run_id in watch.tasks for run in self._runs) and watch.controls.keys() <= watch.given_up | watch.noted.keys()

    async def _submit(self, run: Run) -> None:
        await asyncio.sleep(self._draw.uniform(0.0, 1.0))
        times = self._draw.choice((1, 1, 2))
        await asyncio.gather(*(self._submit_once(run) for _ in range(times)))

    async def _submit_once(self, run: Run) -> None:
        plan = {"title": run.key, "tasks": run.tasks, "checks": run.checks}
        notes = [{"name": "plan.json", "text": json.dumps(plan)}]
        body = SubmitBody.model_validate({"notes": notes, "options": {"planner": "import", **run.options}})
        while not (done := await self._ask("ada submits", lambda deps: submit(body, deps, ADA, idempotency_key=run.key))):
            await asyncio.sleep(0.5)
        run.run_id = str(json.loads(done.body)["taskId"])
        self._accepted.runs.setdefault(run.key, set()).add(run.run_id)

    async def _meddle(self, run: Run) -> None:
        """Orders at random moments: for any task, legal or not, at times by two people at once."""
        draw, world = self._draw, self._world
        moments = sorted(draw.uniform(0.5, world.faults.seconds + 3.0) for _ in range(draw.choice(self.meddling)))
        for moment in moments:
            await asyncio.sleep(max(0.0, moment - world.loop.time()))
            actions = {action: weight for action, weight in self.orders.items() if world.sweep == "on" or action not in NOT_WITHOUT_SWEEP}
            action = draw.choices(list(actions), list(actions.values()))[0]
            if target := self._target(run, action):
                who = [ADA, BOB] if draw.random() < 0.2 else [draw.choice((ADA, BOB))]
                await asyncio.gather(*(self._order(one, target, action) for one in who))

    async def _ambush(self, run: Run) -> None:
        """An order at the very moment when something else happens to its task, or right after the run was submitted."""
        draw, moments = self._draw, self._watch.moments
        kind, past = draw.choice(("planned", "planned", "begun", "ended", "ended", "submitted")), draw.randint(0, 3)
        while self._world.loop.time() < self._world.faults.seconds + 3.0:
            await asyncio.sleep(0.01)
            if kind == "submitted":
                met = [run.run_id] if run.run_id else []
            else:
                met = [name for what, name in moments if what == kind and run.run_id and run_of(name) == run.run_id][past:]
            if met:
                await asyncio.sleep(draw.choice((0.0, 0.0, 0.01, 0.1)))
                action = draw.choice(AMBUSHES if self._world.sweep == "on" else AMBUSHES[:-1])
                await self._order(BOB, met[0], action)
                if action is Action.CANCEL and draw.random() < 0.5:  # on second thought
                    await asyncio.sleep(draw.choice((0.1, 0.5, 2.0)))
                    await self._order(BOB, met[0], Action.RETRY)
                return

    def _target(self, run: Run, action: Action) -> str | None:
        tasks = [task for task in self._watch.tasks.values() if task["run_id"] == run.run_id]
        possible = [task for task in tasks if action in legal_actions(Phase(task["phase"]), paused=bool(task.get("paused")))]
        among = possible if possible and self._draw.random() < 0.9 else tasks
        return str(self._draw.choice(among)["_id"]) if among else None

    async def _order(self, who: Principal, task_id: str, action: Action) -> None:
        seen = self._watch.tasks[task_id]["version"] if action is Action.RERUN and task_id in self._watch.tasks else None
        body = UpdateBody.model_validate({"action": action, "result": RESULT if action is Action.COMPLETE else None, "version": seen})
        if await self._ask(f"{who.name} orders {action} of {task_id}", lambda deps: order(task_id, body, deps, caller=who)):
            self._accepted.orders.append((task_id, action))

    def _answer_some(self, group: asyncio.TaskGroup) -> None:
        for question in list(self._watch.questions.values()):
            if question["_id"] not in self._busy:
                self._busy.add(question["_id"])
                group.create_task(self._answer(question))

    async def _answer(self, question: Doc) -> None:
        draw, name = self._draw, question["_id"]
        try:
            await asyncio.sleep(draw.choice((0.0, 0.3, 3.0)) if not self._calm() else 0.1)
            asked = [APPROVERS[one] for one in question["approvers"]] or [ADA, BOB]
            people = asked if question["required"] > 1 or draw.random() < 0.2 else asked[:1]
            await asyncio.gather(*(self._decide(who, question) for who in people))
        finally:
            await asyncio.sleep(0.5)
            self._busy.discard(name)

    async def _decide(self, who: Principal, question: Doc) -> None:
        decision = self._decision(question)
        body: dict[str, Any] = {"approval_id": question["_id"], "decision": decision, "comment": "so be it", "digest": question["digest"]}
        if decision == "take_over":
            body["result"] = RESULT
        request = DecisionBody.model_validate(body)
        if await self._ask(f"{who.name} decides {decision} of {question['_id']}", lambda deps: answer_question(deps, request, who)):
            self._accepted.answers.append((question["_id"], who.name, decision))

    def _decision(self, question: Doc) -> str:
        """What helps; of a run that nobody spares, at times what does not. Nobody helps a task for ever."""
        choices, helpful = question["choices"], self._calm() or self._is_fair(question["run_id"])
        if not helpful and self._draw.random() < 0.5:
            return str(self._draw.choice(choices))
        best = next(one for one in ("approve", "answer", "retry", "take_over") if one in choices)
        if best != "retry":
            return best
        self._helped[question["task_id"]] += 1
        if self._helped[question["task_id"]] <= (3 * MOST_HELP if self._is_fair(question["run_id"]) else MOST_HELP):
            return best
        return str(self._draw.choice([one for one in choices if one != "retry"]))

    def _is_fair(self, run_id: str) -> bool:
        """Whoever submitted it may be asked about it before they know its id."""
        return any(run.fair and not run.hard and run.run_id in (run_id, "", None) for run in self._runs)

    def _resume_some(self, group: asyncio.TaskGroup) -> None:
        """In the end nobody leaves anything paused."""
        watch = self._watch
        paused = [name for name in watch.tasks if name in watch.open and watch.tasks[name].get("paused") and name not in self._busy]
        for name in sorted(paused)[:1]:
            self._busy.add(name)
            group.create_task(self._resume(name))

    async def _resume(self, name: str) -> None:
        await self._order(ADA, name, Action.RESUME)
        await asyncio.sleep(1.0)
        self._busy.discard(name)

    async def _ask(self, what: str, call: Call) -> Any:
        """The answer; None when it was refused, or when nobody knows."""
        world = self._world
        try:
            answer = await world.ask(call)
        except (NoAnswer, Unavailable) as error:
            world.note("people", f"{what}: no answer: {error}", "")
            return None
        except TaskgroveError as error:
            world.note("people", f"{what}: refused: {error}", "")
            return None
        world.note("people", what, "")
        return answer
