"""What is to be done in a schedule: a few small runs, drawn from the seed, with all that the plan language has."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from shared.clock import Clock
from tests.simulation.effects import Ledger
from tests.simulation.faults import Sweep
from tests.simulation.people import People
from tests.simulation.records import Records, Run
from tests.simulation.watch import Watch, WatchedDatabase
from tests.simulation.world import World

Task = dict[str, Any]

ALWAYS = 10**6
GOOD = {"kind": "schema", "schema": {"type": "object", "properties": {"good": {"const": True}}, "required": ["good"]}}
JOINED = {"kind": "contains", "text": "children done"}
SECONDS = (0.0, 0.0, 0.05, 0.3, 1.0, 4.0)
WAYS = {
    "work": 50, "fail": 8, "spoil": 6, "break": 2, "hang": 2, "ask": 6, "split": 7, "human": 2, "never": 5, "checked": 6, "group": 8,
}  # fmt: skip
DEEPEST = 2
WIDE = 101
"""So many dependencies, and a task looks for itself at what it waits for (`grow.WIDE`)."""


def live(world: World, people: type[People] = People) -> Any:
    """Prepare the world before its first process touches anything, and live in it."""
    clock = ServerClock(world)
    watch = Watch(world.loop.time)
    world.store = WatchedDatabase(clock, watch)
    world.ledger = Records(watch, Ledger(watch.next, world.loop.time), drawn(world.random, world.sweep))
    return people(world, world.ledger).live()


class ServerClock(Clock):
    """The store's own clock."""

    def __init__(self, world: World) -> None:
        self.now = world.server_now
        self.monotonic = world.loop.time
        self.sleep = asyncio.sleep


def drawn(draw: Random, sweep: Sweep) -> list[Run]:
    """The runs of one schedule."""
    return [_run(draw, sweep, f"run-{number}") for number in range(1, draw.choice((1, 1, 1, 2)) + 1)]


def _run(draw: Random, sweep: Sweep, key: str) -> Run:
    kind = draw.random()
    if kind < 0.01:
        return Run(key, [_task("a", ["b"]), _task("b", ["a"])], hard=True)
    if kind < 0.015:
        return Run(key, [*(_task(f"w{number}", []) for number in range(WIDE)), _task("last", [f"w{number}" for number in range(WIDE)])])
    plan = Plan(draw, sweep, left=draw.choice((3, 3, 4, 5, 6, 8, 12)))
    tasks = plan.level("t", depth=0)
    options: dict[str, Any] = {"review": True} if draw.random() < 0.06 else {}
    if draw.random() < 0.25:
        options["concurrency"] = draw.choice((1, 1, 2, 3))
    return Run(key, tasks, options, [JOINED] if draw.random() < 0.3 else [], hard=plan.hard, fair=draw.random() < 0.5)


def _task(key: str, after: Sequence[str], **args: Any) -> Task:
    return {"key": key, "title": key, "agent": "python", "inputs": {"call": "act", "args": args}, "after": list(after)}


class Plan:
    """Draws tasks, at most `left` of them."""

    def __init__(self, draw: Random, sweep: Sweep, *, left: int) -> None:
        self._draw = draw
        self._sweep = sweep
        self._left = left
        self.hard = False

    def level(self, name: str, depth: int) -> list[Task]:
        """Siblings: one after the other, fanned out and in, or as it comes; at times joined by an integration step."""
        draw = self._draw
        shape, most = draw.choice(("chain", "diamond", "any", "any")), 12 if depth == 0 else draw.randint(1, 3)
        tasks: list[Task] = []
        while self._left > 0 and len(tasks) < most:
            self._left -= 1
            keys = [task["key"] for task in tasks]
            after = {"chain": keys[-1:], "diamond": keys[:1], "any": sorted(draw.sample(keys, min(len(keys), draw.choice((0, 1, 1, 2)))))}
            tasks.append(self._one(f"{name}{len(tasks) + 1}", after[shape], depth))
        if shape == "diamond" and len(tasks) > 2:
            tasks[-1]["after"] = [task["key"] for task in tasks[1:-1]]
        if len(tasks) > 1 and draw.random() < 0.2:
            tasks.append({**_task(f"{name}-join", [], reads=True), "kind": "integration"})
        return tasks

    def _one(self, key: str, after: list[str], depth: int) -> Task:
        draw = self._draw
        does = draw.choices(list(WAYS), list(WAYS.values()))[0]
        if does in ("group", "split") and (depth >= DEEPEST or self._left < 1):
            does = "work"
        task = _task(key, after, seconds=draw.choice(SECONDS), reads=draw.random() < 0.3)
        getattr(self, f"_{does}")(task, depth)
        return task

    def _work(self, task: Task, depth: int) -> None:
        """Nothing goes wrong."""

    def _fail(self, task: Task, _depth: int, *, does: str = "fail") -> None:
        times = self._draw.randint(1, 2)
        task["inputs"]["args"] |= {"does": does, "times": times}
        task["retries"] = times + self._draw.randint(0, 1)

    def _spoil(self, task: Task, depth: int) -> None:
        self._fail(task, depth, does="spoil")
        task["checks"] = [GOOD]

    def _break(self, task: Task, depth: int) -> None:
        self._fail(task, depth, does="break")

    def _hang(self, task: Task, depth: int) -> None:
        self._fail(task, depth, does="hang")
        task["timeout"] = 6.0

    def _ask(self, task: Task, _depth: int) -> None:
        task["inputs"]["args"] |= {"does": "ask", "times": self._draw.choice((1, 1, 2, 4))}

    def _split(self, task: Task, depth: int) -> None:
        task["inputs"]["args"] |= {"does": "split", "subtasks": self.level(f"{task['key']}s", depth + 1)}

    def _human(self, task: Task, _depth: int) -> None:
        task |= {"agent": "human", "inputs": {"question": "How is it?"}}

    def _never(self, task: Task, _depth: int) -> None:
        self.hard = True
        task["inputs"]["args"] |= {"does": "fail", "times": ALWAYS}
        task |= {"retries": self._draw.randint(0, 1), "onFailure": self._draw.choice(("ask", "ask", "fail", "continue"))}

    def _checked(self, task: Task, _depth: int) -> None:
        checkpoint: dict[str, Any] = {"when": self._draw.choice(("before", "after")), "required": self._draw.choice((1, 1, 2))}
        if self._draw.random() < 0.3:
            checkpoint |= {"approvers": ["bob"], "required": 1}
        if self._sweep == "on" and self._draw.random() < 0.2:
            checkpoint["within"] = self._draw.choice((1.0, 8.0))
            self.hard = True
        task["checkpoint"] = checkpoint

    def _group(self, task: Task, depth: int) -> None:
        subtasks = self.level(f"{task['key']}g", depth + 1)
        for name in ("agent", "inputs"):
            del task[name]
        task |= {"subtasks": subtasks, "checks": [JOINED] if self._draw.random() < 0.5 else []}
        if self._draw.random() < 0.15:
            self._checked(task, depth)
