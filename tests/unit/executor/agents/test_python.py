"""The agent `python`, on the built-in functions and on those of another module."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.executor.agents import Asks, Callables, Done, TooBig, Tools, Work, callable_
from services.executor.agents.python import PythonAgent
from services.executor.agents.shell import ShellAgent
from shared.contracts.executor import Result
from shared.errors import AgentFailed, BadInput

MakeWork = Callable[..., Work]


@pytest.fixture(scope="module")
def callables() -> Iterator[Callables]:
    sys.path.insert(0, str(Path(__file__).parent))
    yield Callables(["offered"])
    sys.path.pop(0)


@pytest.fixture
def agent(tools: Tools, callables: Callables) -> PythonAgent:
    return PythonAgent(replace(tools, callables=callables))


@pytest.fixture
def call(agent: PythonAgent, make_work: MakeWork) -> Callable[..., Any]:
    async def do(name: str, /, *, timeout: float = 20, **args: Any) -> Any:
        return await agent.do(make_work(inputs={"call": name, "args": args}, timeout=timeout))

    return do


async def test_built_in_functions(call: Callable[..., Any]) -> None:
    assert await call("noop") == Done(Result())
    assert await call("sleep", seconds=0.01) == Done(Result(data={"slept": 0.01}))
    assert await call("echo", a=1, name="x") == Done(Result(data={"a": 1, "name": "x"}))
    assert await call("burn", seconds=0.01) == Done(Result(data={"burned": 0.01}))
    with pytest.raises(AgentFailed, match="on purpose"):
        await call("fail", message="on purpose")


async def test_functions_of_another_module(call: Callable[..., Any]) -> None:
    assert await call("in_thread") == Done(Result(summary="done"))
    assert await call("gives", what="result") == Done(Result(summary="s"))
    assert await call("gives", what="big") == TooBig("much")
    assert await call("gives", what="asks") == Asks("which?")
    with pytest.raises(AgentFailed, match="gave back a list"):
        await call("gives", what="list")


async def test_files_are_kept_when_the_directory_was_asked_for(call: Callable[..., Any]) -> None:
    done = await call("renamed")
    assert done.result.summary == "Title"
    assert [artifact.name for artifact in done.result.artifacts] == ["left"]


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("nop", {}, "the nearest are: noop"),
        ("not_offered", {}, "offers no function"),
        ("sleep", {"second": 1}, r"sleep\(seconds: float\).* cannot be called with these args: missing"),
        ("renamed", {"x": 1}, "unexpected keyword"),
        ("by_place", {"what": 1}, "cannot be called with these args"),
    ],
)
async def test_what_cannot_be_called_is_permanent(call: Callable[..., Any], *, name: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentFailed, match=message) as failed:
        await call(name, **args)
    assert failed.value.permanent


async def test_what_a_function_raises_is_how_it_failed(call: Callable[..., Any]) -> None:
    with pytest.raises(AgentFailed, match="KeyError: 'nothing'") as failed:
        await call("gives", what="nothing")
    assert (failed.value.code, failed.value.permanent) == ("exception", False)
    with pytest.raises(AgentFailed, match="TimeoutError: the remote did not answer"):
        await call("times_out_itself")


@pytest.mark.parametrize("where", ["thread", "process", "loop"])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", r"it called sys.exit\(2\)"),
        ("interrupt", "KeyboardInterrupt"),
        ("stop", "StopIteration"),
        ("cancel", "CancelledError"),
        ("future", "CancelledError"),
    ],
)
async def test_what_a_function_lets_out_ends_its_attempt_only(call: Callable[..., Any], *, where: str, how: str, said: str) -> None:
    with pytest.raises(AgentFailed, match=said) as failed:
        await call(f"leaves_{where}", how=how, timeout=10)
    assert failed.value.code == "exception"
    assert await call("noop") == Done(Result())


@pytest.mark.parametrize("name", ["sleep", "in_thread"])
async def test_cancelling_an_attempt_is_no_failure_of_its_function(call: Callable[..., Any], name: str) -> None:
    doing = asyncio.create_task(call(name, seconds=0.5))
    await asyncio.sleep(0.05)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing


@pytest.mark.parametrize(("name", "args"), [("sleep", {"seconds": 60}), ("sleeps", {}), ("in_thread", {"seconds": 0.6})])
async def test_time_outs(call: Callable[..., Any], name: str, args: dict[str, Any]) -> None:
    with pytest.raises(AgentFailed, match=r"longer than 0\.3 s") as failed:
        await call(name, timeout=0.3, **args)
    assert failed.value.code == "timed_out"


async def test_functions_that_hang_keep_no_thread_from_other_work(call: Callable[..., Any], tools: Tools, make_work: MakeWork) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    for _ in range(3):
        with pytest.raises(AgentFailed, match="longer than"):
            await call("in_thread", seconds=2, timeout=0.05)
    answer = await asyncio.wait_for(ShellAgent(tools).do(make_work(inputs={"script": "echo on"})), 1.5)
    assert isinstance(answer, Done)
    assert answer.result.summary == "on"


async def test_a_process_that_dies_fails_this_attempt_only(call: Callable[..., Any]) -> None:
    with pytest.raises(AgentFailed, match="process died") as failed:
        await call("dies")
    assert not failed.value.permanent
    assert await call("burn", seconds=0) == Done(Result(data={"burned": 0}))


def test_what_cannot_be_offered_is_said_at_the_start() -> None:
    with pytest.raises(BadInput, match="no_such_module"):
        Callables(["no_such_module"])
    with pytest.raises(BadInput, match="two functions are offered as 'noop'"):
        Callables()._add("noop", test_what_cannot_be_offered_is_said_at_the_start, pool=False)  # noqa: SLF001 (as a second module would)


def test_a_function_in_a_pool_can_take_no_work() -> None:
    @callable_(pool=True)
    def wants(work: Work) -> None:
        raise AssertionError(work)

    with pytest.raises(BadInput, match="pool=True"):
        Callables()._add("wants", wants, pool=False)  # noqa: SLF001 (as a module would)


async def test_a_task_that_does_nothing_costs_next_to_nothing(agent: PythonAgent, make_work: MakeWork, tmp_path: Path) -> None:
    work = make_work(inputs={"call": "noop"})
    best = min([await _seconds(agent, work) for _ in range(5)])
    assert best < 100e-6
    assert not (tmp_path / "attempt").exists()


async def _seconds(agent: PythonAgent, work: Work) -> float:
    start = time.perf_counter()
    for _ in range(200):
        await agent.do(work)
    return (time.perf_counter() - start) / 200
