"""The agent `python`: calls a registered function."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from services.executor.agents.base import Answer, Asks, Done, TooBig, Tools, Work, given
from services.executor.agents.bound import bounded
from services.executor.agents.callables import Registered
from services.executor.agents.files import keep
from shared.artifacts import on_disk
from shared.catalogue.agents import PythonInputs
from shared.contracts.executor import Result
from shared.errors import AgentFailed, Unavailable
from shared.sandbox import Threads, awaited
from shared.turns import Deadline, timed_by

SUMMARY = 4_096


class PythonAgent:
    """Async functions run on the event loop, others in a thread, those that are marked in a process that can be killed."""

    name = "python"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._threads = Threads()

    async def do(self, work: Work) -> Answer:
        """Call the function that the inputs name. What it raises is how the attempt failed."""
        inputs = given(work.inputs, as_=PythonInputs)
        registered = self._tools.callables.find(inputs.call)
        used: list[Path] = []
        args = {**inputs.args, "work": _watched(work, used.append)} if registered.wants_work else inputs.args
        _check(registered, args)
        answer = _answer(registered.name, await self._bounded(registered, args, work.timeout, run_id=work.run_id))
        if used and isinstance(answer, Done):
            async with bounded(work, spare=self._tools.spare):
                kept = await keep(used[0], work.outputs, store=self._tools.artifacts)
            return Done(answer.result.model_copy(update={"artifacts": (*answer.result.artifacts, *kept)}))
        return replace(answer, crowded=self._tools.pool.wanted(work.run_id)) if registered.pool and isinstance(answer, Done) else answer

    async def _bounded(self, registered: Registered, args: Mapping[str, Any], seconds: float, *, run_id: str) -> Any:
        """The call, under the time-out, with what it raised as AgentFailed."""
        clock = asyncio.timeout(None if registered.pool else seconds)
        try:
            async with clock:
                return await self._call(registered, args, clock=clock, seconds=seconds, run_id=run_id)
        except (AgentFailed, Unavailable):
            raise
        except BrokenProcessPool as error:
            message = f"{registered.name}: its process died, by a crash or for want of memory"
            raise AgentFailed(message, code="process_died") from error
        except Exception as error:
            if isinstance(error, TimeoutError) and (registered.pool or clock.expired()):
                message = f"{registered.name} took longer than {seconds:g} s; give the task more time with `timeout:`"
                raise AgentFailed(message, code="timed_out") from error
            raise AgentFailed(f"{type(error).__name__}: {error}", code="exception") from error

    async def _call(self, registered: Registered, args: Mapping[str, Any], *, clock: asyncio.Timeout, seconds: float, run_id: str) -> Any:
        if registered.is_async:
            return await awaited(registered.function(**args))
        if registered.pool:
            return await self._tools.pool.call(partial(registered.function, **args), seconds=seconds, whose=run_id)
        with timed_by(Deadline(clock)):
            return await self._threads.call(partial(registered.function, **args), whose=run_id, name=registered.name)


def _watched(work: Work, note: Callable[[Path], None]) -> Work:
    """The work, with a note when its directory is asked for: only then there can be files to keep."""

    def directory() -> Path:
        path = work.directory()
        with on_disk(path):
            path.mkdir(parents=True, exist_ok=True)
        note(path)
        return path

    return replace(work, directory=directory)


def _check(registered: Registered, args: Mapping[str, Any]) -> None:
    try:
        registered.refuse_others(frozenset(args))
    except TypeError as error:
        message = f"{registered.name}{registered.signature} cannot be called with these args: {error}"
        raise AgentFailed(message, code="bad_inputs", permanent=True) from error


def _answer(name: str, value: Any) -> Answer:
    match value:
        case None:
            return Done(Result())
        case dict():
            return Done(Result(data=value))
        case str():
            return Done(Result(summary=value[:SUMMARY]))
        case Result():
            return Done(value)
        case Done() | TooBig() | Asks():
            return value
    message = f"{name} gave back a {type(value).__name__}; it may give back a dict, text, None, a Result, TooBig or Asks"
    raise AgentFailed(message, code="bad_result", permanent=True)
