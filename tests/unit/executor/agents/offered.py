"""Functions as another package would offer them; loaded by name in the tests."""

import asyncio
import os
import sys
import time
from concurrent.futures import CancelledError
from typing import Any

from services.executor.agents import Asks, TooBig, Work, callable_
from services.executor.agents.callables import noop as noop  # noqa: PLC0414 (an import does not offer it a second time)
from shared.contracts.executor import Result


@callable_()
def in_thread(seconds: float = 0) -> str:
    time.sleep(seconds)
    return "done"


@callable_("renamed")
async def other_name(work: Work) -> str:
    (work.directory() / "left").write_text("x")
    return work.title


@callable_()
async def gives(what: str) -> Any:
    answers = {"result": Result(summary="s"), "big": TooBig("much"), "asks": Asks("which?"), "list": [1]}
    return answers[what]


@callable_()
async def by_place(what: str, /, **others: Any) -> dict[str, Any]:
    return {"what": what, **others}


@callable_()
async def times_out_itself() -> None:
    raise TimeoutError("the remote did not answer")


@callable_(pool=True)
def dies() -> None:
    os._exit(3)


@callable_(pool=True)
def sleeps() -> None:
    time.sleep(60)


def leaves(how: str) -> None:
    if how == "exit":
        sys.exit(2)
    raise {"interrupt": KeyboardInterrupt, "stop": StopIteration, "cancel": asyncio.CancelledError, "future": CancelledError}[how]


@callable_()
def leaves_thread(how: str) -> None:
    leaves(how)


@callable_(pool=True)
def leaves_process(how: str) -> None:
    leaves(how)


@callable_()
async def leaves_loop(how: str) -> None:
    leaves(how)


def not_offered() -> None:
    raise AssertionError
