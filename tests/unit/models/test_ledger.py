"""Nothing is paid twice: what was answered is kept before it is used, also when whoever asked dies in between."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.errors import ModelFailed, StoreUnavailable
from shared.memory.store import MemoryDatabase
from shared.models import open_model
from shared.models.ledger import Ledger, call_id, calls_schema
from shared.models.metrics import ModelMetrics
from shared.models.port import About, Question, Reply, Spent, Tool, ToolCall, Turn
from shared.storage.port import Collection, Doc
from shared.telemetry.traces import NoTraces
from tests.unit.models.wire import ABOUT, Wire, completion, settings

QUESTION = Question((Turn("user", "hello"),))
LedgerOf = Callable[[Wire], Ledger]
PRICES = {"usd_per_million_prompt_tokens": 1.0, "usd_per_million_completion_tokens": 2.0}


def answers(*texts: str) -> Callable[[httpx2.Request], httpx2.Response]:
    left: Iterator[str] = iter(texts)
    return lambda _: completion(next(left))


async def rows(database: MemoryDatabase) -> list[dict[str, object]]:
    return await database["test_calls"].find({}, sort=(("_id", 1),))


async def test_the_same_question_about_the_same_task_is_paid_for_once(ledger_of: LedgerOf, database: MemoryDatabase) -> None:
    wire = Wire(answers("first", "second"), **PRICES)
    ledger = ledger_of(wire)
    first = await ledger.ask(QUESTION, ABOUT, seconds=5)
    again = await ledger.ask(QUESTION, ABOUT, seconds=5)
    assert (first.text, first.reused, again.text, again.reused) == ("first", False, "first", True)
    assert again.spent == first.spent == Spent(10, 5, 0.00002)
    other = await ledger.ask(QUESTION, About("run", "run.2", "test"), seconds=5)
    assert (other.text, len(wire.requests)) == ("second", 2)
    kept = (await rows(database))[0]
    assert kept["_id"] == call_id(QUESTION, ABOUT, model="m")
    assert str(kept["_id"]).startswith("run.1:")
    assert {name: kept[name] for name in ("run_id", "task_id", "purpose", "model", "prompt_tokens", "completion_tokens", "usd")} == {
        "run_id": "run", "task_id": "run.1", "purpose": "test", "model": "m", "prompt_tokens": 10, "completion_tokens": 5, "usd": 0.00002,
    }  # fmt: skip


async def test_what_is_to_be_done_again_is_asked_again(ledger_of: LedgerOf, database: MemoryDatabase) -> None:
    ledger = ledger_of(Wire(answers("one", "two"), **PRICES))
    first = await ledger.ask(QUESTION, ABOUT, seconds=5)
    anew = replace(ABOUT, anew="order 1")
    again, kept = await ledger.ask(QUESTION, anew, seconds=5), await ledger.ask(QUESTION, anew, seconds=5)
    assert [(reply.text, reply.reused) for reply in (first, again, kept)] == [("one", False), ("two", False), ("two", True)]
    assert len(await rows(database)) == 2


async def test_calls_come_back_as_they_were_whatever_their_arguments_hold(ledger_of: LedgerOf) -> None:
    arguments = '{"$set": {"a.b": 1}, "big": 123456789012345678, "": [null]}'
    call = {"id": "c9", "type": "function", "function": {"name": "t", "arguments": arguments}}
    ledger = ledger_of(Wire(lambda _: completion(None, tool_calls=[call])))
    question = Question((Turn("user", "x"),), tools=(Tool("t", "", {"type": "object"}),))
    first, again = [await ledger.ask(question, ABOUT, seconds=5) for _ in range(2)]
    assert first.calls == again.calls == (ToolCall("c9", "t", {"$set": {"a.b": 1}, "big": 123456789012345678, "": [None]}),)


@pytest.mark.parametrize("arguments", ['{"n": 123456789012345678901}', {"n": 123456789012345678901}], ids=["text", "object"])
async def test_numbers_that_no_document_can_hold_are_kept_all_the_same(
    ledger_of: LedgerOf, database: MemoryDatabase, arguments: Any
) -> None:
    wire = Wire(
        lambda _: completion(None, tool_calls=[{"id": "c9", "type": "function", "function": {"name": "t", "arguments": arguments}}])
    )
    question = Question((Turn("user", "x"),), tools=(Tool("t", "", {"type": "object"}),))
    first, again = [await ledger_of(wire).ask(question, ABOUT, seconds=5) for _ in range(2)]
    assert first.calls == again.calls == (ToolCall("c9", "t", {"n": 123456789012345678901.0}),)
    assert (len(wire.requests), len(await rows(database))) == (1, 1)
    after = replace(question, turns=(*question.turns, Turn("assistant", "", first.calls), Turn("tool", "ok", answers="c9")))
    assert (await ledger_of(wire).ask(after, ABOUT, seconds=5)).calls == first.calls


async def test_whoever_asked_died_after_the_reply(ledger_of: LedgerOf, database: MemoryDatabase) -> None:
    """The answer is written down even when the asking task is cancelled while it is; asked again, it costs nothing."""
    wire = Wire(answers("paid"))
    asking = asyncio.create_task(ledger_of(wire).ask(QUESTION, ABOUT, seconds=5))
    while not wire.requests:
        await asyncio.sleep(0)
    for _ in range(200):
        if asking.done() or await rows(database):
            break
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await ledger_of(wire).ask(QUESTION, ABOUT, seconds=5)).text == "paid"
    assert len(wire.requests) == 1


async def test_of_two_that_ask_at_once_one_answer_counts_and_both_costs(ledger_of: LedgerOf, database: MemoryDatabase) -> None:
    ledger = ledger_of(Wire(answers("one", "two")))
    replies = await asyncio.gather(*(ledger.ask(QUESTION, ABOUT, seconds=5) for _ in range(2)))
    assert len({reply.text for reply in replies}) == 1
    assert len(await rows(database)) == 2


async def test_nonsense_is_kept_for_its_cost_and_asked_for_again(
    ledger_of: LedgerOf, database: MemoryDatabase, registry: CollectorRegistry
) -> None:
    ledger = ledger_of(Wire(answers("nonsense", '{"a":1}'), **PRICES))
    question = Question(QUESTION.turns, schema={"type": "object"})
    with pytest.raises(ModelFailed):
        await ledger.ask(question, ABOUT, seconds=5)
    assert (await ledger.ask(question, ABOUT, seconds=5)).text == '{"a":1}'
    assert sorted(str(row["outcome"]) for row in await rows(database)) == ["answered", "model_nonsense"]
    assert registry.get_sample_value("taskgrove_model_tokens_total", {"model": "m", "kind": "prompt"}) == 20
    assert registry.get_sample_value("taskgrove_model_usd_total", {"model": "m"}) == pytest.approx(0.00004)
    assert registry.get_sample_value("taskgrove_model_calls_total", {"model": "m", "outcome": "model_nonsense"}) == 1


async def test_what_was_not_answered_costs_nothing_and_leaves_no_row(ledger_of: LedgerOf, database: MemoryDatabase) -> None:
    with pytest.raises(ModelFailed):
        await ledger_of(Wire(lambda _: httpx2.Response(500))).ask(QUESTION, ABOUT, seconds=5)
    assert await rows(database) == []


UNKNOWN_COST = {"prompt_tokens": None, "completion_tokens": None, "usd": None}


@pytest.mark.parametrize("status", [408, 504])
async def test_an_answer_that_came_too_late_may_have_been_billed(ledger_of: LedgerOf, database: MemoryDatabase, status: int) -> None:
    """Kept as a call whose price is not known, and asked for again."""
    late = iter([httpx2.Response(status), completion("in time")])
    ledger = ledger_of(Wire(lambda _: next(late), **PRICES))
    with pytest.raises(ModelFailed):
        await ledger.ask(QUESTION, ABOUT, seconds=5)
    (row,) = await rows(database)
    assert (row["outcome"], row["task_id"], row.items() >= UNKNOWN_COST.items()) == ("model_timed_out", "run.1", True)
    assert (await ledger.ask(QUESTION, ABOUT, seconds=5)).text == "in time"
    assert len(await rows(database)) == 2


class Never:
    """A model that is still thinking."""

    name = "m"

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:  # noqa: ARG002 (it never answers)
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """It holds nothing."""


class Away:
    """A collection in a store that hangs, or says that it is away."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def find(self, *_: object) -> list[object]:
        """Nothing was asked before."""
        return []

    async def insert(self, *_: object) -> set[str]:
        """In vain."""
        if self.hangs:
            await asyncio.Event().wait()
        raise StoreUnavailable("there is no primary")


class Stumbles:
    """A collection whose first inserts fail, as a store does that changes its primary; of the last of them only the answer is lost."""

    def __init__(self, inner: Collection, *, failures: int) -> None:
        self._inner = inner
        self._left = failures

    async def find(self, *args: Any) -> list[Doc]:
        """As ever."""
        return await self._inner.find(*args)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        """In vain at first."""
        self._left -= 1
        if self._left <= 0:
            there = await self._inner.insert(docs)
        if self._left >= 0:
            raise StoreUnavailable("there is no primary")
        return there


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_paid_answer_waits_for_a_store_that_is_away(database: MemoryDatabase, registry: CollectorRegistry, failures: int) -> None:
    wire = Wire(answers("paid"), **PRICES)
    calls: Any = Stumbles(database["test_calls"], failures=failures)
    ledger = Ledger(wire.endpoint, calls, ServerClock(), ModelMetrics(registry), NoTraces())
    assert [(await ledger.ask(QUESTION, ABOUT, seconds=5)).text for _ in range(2)] == ["paid", "paid"]
    assert (len(wire.requests), len(await rows(database))) == (1, 1)


async def test_the_cost_of_an_unusable_answer_waits_as_well(database: MemoryDatabase, registry: CollectorRegistry) -> None:
    calls: Any = Stumbles(database["test_calls"], failures=1)
    wire = Wire(lambda _: completion("no JSON"), **PRICES)
    ledger = Ledger(wire.endpoint, calls, ServerClock(), ModelMetrics(registry), NoTraces())
    with pytest.raises(ModelFailed):
        await ledger.ask(replace(QUESTION, schema={"type": "object"}), ABOUT, seconds=5)
    assert [row["outcome"] for row in await rows(database)] == ["model_nonsense"]


async def given_up(calls: Any, registry: CollectorRegistry) -> float:
    """How long it takes to give up waiting, with this collection."""
    model = Never()
    ledger = Ledger(model, calls, ServerClock(), ModelMetrics(registry), NoTraces())
    asking = asyncio.create_task(ledger.ask(QUESTION, ABOUT, seconds=60))
    await model.asked.wait()
    began = asyncio.get_running_loop().time()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    return asyncio.get_running_loop().time() - began


async def test_an_answer_that_nobody_waited_for_may_have_been_billed(database: MemoryDatabase, registry: CollectorRegistry) -> None:
    """The time of the task was up, it was cancelled, or the service was told to end."""
    await given_up(database["test_calls"], registry)
    (row,) = await rows(database)
    assert (row["outcome"], row["purpose"], row.items() >= UNKNOWN_COST.items()) == ("given_up", "test", True)


@pytest.mark.parametrize("hangs", [True, False])
async def test_giving_up_is_held_up_by_no_store(registry: CollectorRegistry, *, hangs: bool) -> None:
    assert await given_up(Away(hangs=hangs), registry) < 2


async def test_without_an_endpoint_there_is_no_model(database: MemoryDatabase) -> None:
    nothing = settings(base_url=None)
    assert open_model(nothing, database, database._clock, registry=CollectorRegistry(), traces=NoTraces(), service="planner") is None  # noqa: SLF001
    model = open_model(settings(), database, database._clock, registry=CollectorRegistry(), traces=NoTraces(), service="planner")  # noqa: SLF001
    assert model is not None
    assert (model.name, model.calls.name, calls_schema("planner").name) == ("m", "planner_calls", "planner_calls")
    await model.close()
