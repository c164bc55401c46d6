"""A language model for tests: it says what it was given to say, in turn, and remembers what it was asked."""

import asyncio
import json
from typing import Any

from services.planner.planners import PlanRequest
from services.planner.planners.base import Means, Scope
from services.planner.planners.model import ModelPlanner
from shared.contracts.plan import NotesFile, Plan, RunOptions
from shared.models.port import About, Question, Reply, Spent

CHECK = {"kind": "file", "path": "out.txt", "value": ""}


class Said:
    """Answers in turn; the last one again and again. An exception is raised; `wait` holds every answer back until it is set."""

    name = "scripted"

    def __init__(self, *answers: str | Exception, wait: asyncio.Event | None = None) -> None:
        self.answers = list(answers)
        self.asked: list[Question] = []
        self.about: list[About] = []
        self.waiting = asyncio.Event()
        self.wait = wait

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:
        assert seconds > 0
        self.asked.append(question)
        self.about.append(about)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        self.waiting.set()
        if self.wait:
            await self.wait.wait()
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, model=self.name, spent=Spent(10, 5, None))

    async def close(self) -> None:
        """There is no connection."""

    def told(self, number: int = -1) -> str:
        """All that it was told in one question."""
        return "\n".join(turn.text for turn in self.asked[number].turns)


def said_task(key: str = "a", **fields: Any) -> dict[str, Any]:
    """A task as a model says it."""
    whole = {"key": key, "title": f"Do {key}", "description": "As told.", "agent": "shell", "script": "echo > out.txt", "checks": [CHECK]}
    return {**whole, **fields}


def answer(*tasks: dict[str, Any], title: str = "All of it") -> str:
    """An answer with these tasks."""
    return json.dumps({"title": title, "tasks": tasks or [said_task()]})


def model_request(
    model: Said, *texts: str, prompt: str = "Do it.", scope: Scope | None = None, refused: str = "", **means: Any
) -> PlanRequest:
    """A request with these texts as a.md, b.md, …"""
    notes = tuple(NotesFile(name=f"{chr(97 + place)}.md", text=text) for place, text in enumerate(texts))
    return PlanRequest("run", prompt, notes, RunOptions(planner="model"), means=Means(model, **means), scope=scope, refused=refused)


async def planned(model: Said, *texts: str, **fields: Any) -> Plan:
    """The plan that comes of it."""
    return await ModelPlanner().plan(model_request(model, *texts, **fields))
