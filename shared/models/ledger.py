"""The ledger of model calls: what was asked and paid once is not paid again, and the cost of a task is the sum of its rows."""

import asyncio
import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import orjson
import structlog

from shared.clock import Clock
from shared.errors import ModelFailed, StoreUnavailable
from shared.ids import new_id
from shared.models.answer import Unusable
from shared.models.failures import MAYBE_PAID
from shared.models.metrics import ModelMetrics
from shared.models.port import About, Model, Question, Reply, Spent, ToolCall
from shared.storage.patience import answered
from shared.storage.port import Collection, Doc, Index, Schema
from shared.telemetry.traces import Traces
from shared.turns import Turns

ANSWERED, REUSED, GIVEN_UP = "answered", "reused", "given_up"
NOTING_SECONDS = 1.0
KEEPING_SECONDS = 300.0
"""So long a paid answer waits for a store that is away, also when whoever asked is gone by then: the next try need not pay again."""
MOST_SAID = 16_384
# https://opentelemetry.io/docs/specs/semconv/gen-ai/, still in development there
ASKING = {"gen_ai.operation.name": "chat"}
MODEL, INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"

log = structlog.get_logger()


def calls_schema(service: str) -> Schema:
    """The collection of a service's model calls, which it alone writes."""
    return Schema(f"{service}_calls", (Index((("run_id", 1), ("task_id", 1))),))


class Closable(Model, Protocol):
    """A model that holds connections."""

    async def close(self) -> None:
        """Let go of them."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A Model in front of another. The same question about the same task is answered from the collection: after a crash it costs nothing.

    So a retry that wants another answer must ask another question (with what failed in it). Answers that cannot be used are kept for their
    cost only, and asked for again; so are questions whose answer came too late, broke off, or was not waited for, at a cost that nobody
    knows. `turns` bounds the calls at once; who waits for one has not asked yet.
    """

    model: Closable
    calls: Collection
    clock: Clock
    metrics: ModelMetrics
    traces: Traces
    turns: Turns = field(default_factory=partial(Turns, None))

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:
        """The kept answer, or a new one that is kept before it is used. Raises ModelFailed, StoreUnavailable."""
        name = call_id(question, about, model=self.name)
        with self.traces.doing(f"chat {self.name}", about.task_id, purpose=about.purpose, **ASKING | {MODEL: self.name}) as span:
            reply = await self._answer(name, question, about, seconds=seconds)
            span.note("reused", int(reply.reused))
            for attribute, tokens in ((INPUT_TOKENS, reply.spent.prompt_tokens), (OUTPUT_TOKENS, reply.spent.completion_tokens)):
                if tokens is not None:
                    span.note(attribute, tokens)
            return reply

    async def _answer(self, name: str, question: Question, about: About, *, seconds: float) -> Reply:
        if kept := await answered(lambda: self._kept(name), self.clock):
            self.metrics.calls.labels(model=self.name, outcome=REUSED).inc()
            log.info("model.reused", run_id=about.run_id, task_id=about.task_id, purpose=about.purpose)
            return kept
        async with self.turns.one(about.run_id):
            began = self.clock.monotonic()
            try:
                reply = await self.model.ask(question, about, seconds=seconds)
            except asyncio.CancelledError:
                await self._given_up(about, name=name, seconds=self.clock.monotonic() - began)
                raise
            except ModelFailed as error:
                await self._failed(error, about, name=name, seconds=self.clock.monotonic() - began)
                raise
            took = self.clock.monotonic() - began
        row = _row(about, self.name, spent=reply.spent, seconds=took, at=self.clock.now()) | {"outcome": ANSWERED, "reply": _written(reply)}
        self._count(ANSWERED, about, spent=reply.spent, seconds=took)
        # What was paid for is written down even when whoever asked is being cancelled.
        return await asyncio.shield(self._keep(row, name)) or reply

    async def close(self) -> None:
        """Let go of the connections."""
        await self.model.close()

    async def _kept(self, name: str) -> Reply | None:
        """The reply of that row; of an imported one only the cost is there."""
        where = {"_id": name, "reply": {"$exists": True}}
        found = await self.calls.find(where, ("reply", "model", "prompt_tokens", "completion_tokens", "usd"))
        return _read(found[0]) if found else None

    async def _keep(self, row: Doc, name: str) -> Reply | None:
        """Write it down. Where the same question was answered meanwhile, that answer counts, and this one is kept for its cost."""
        call = new_id()
        if not await self._inserted({"_id": name, "call": call, **row}):
            return None
        if await answered(lambda: self.calls.find({"_id": name, "call": call}, ("call",)), self.clock, seconds=KEEPING_SECONDS):
            return None  # it is ours, of a write whose result was not known
        await self._inserted({"_id": f"{name}:{call}", **row})
        return await answered(lambda: self._kept(name), self.clock, seconds=KEEPING_SECONDS)

    async def _inserted(self, row: Doc) -> set[str]:
        return await answered(lambda: self.calls.insert([row]), self.clock, seconds=KEEPING_SECONDS)

    async def _failed(self, error: ModelFailed, about: About, *, name: str, seconds: float) -> None:
        spent = error.spent if isinstance(error, Unusable) else Spent()
        if isinstance(error, Unusable) or error.code in MAYBE_PAID:
            row = _row(about, self.name, spent=spent, seconds=seconds, at=self.clock.now())
            said = {"reply": error.said[:MOST_SAID]} if isinstance(error, Unusable) else {}
            await asyncio.shield(self._inserted({"_id": f"{name}:{new_id()}", **row, "outcome": error.code, **said}))
        self._count(error.code, about, spent=spent, seconds=seconds, error=str(error))

    async def _given_up(self, about: About, *, name: str, seconds: float) -> None:
        """Whoever asked is being cancelled: note it if that goes at once, and hold nobody up where the store is away."""
        row = _row(about, self.name, spent=Spent(), seconds=seconds, at=self.clock.now()) | {"outcome": GIVEN_UP}
        try:
            async with asyncio.timeout(NOTING_SECONDS):
                await self.calls.insert([{"_id": f"{name}:{new_id()}", **row}])
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("model.not_noted", run_id=about.run_id, task_id=about.task_id, error=str(error) or "the store did not answer")

    def _count(self, outcome: str, about: About, *, spent: Spent, seconds: float, **more: Any) -> None:
        metrics, name = self.metrics, self.name
        metrics.calls.labels(model=name, outcome=outcome).inc()
        metrics.seconds.labels(model=name).observe(seconds)
        for kind, tokens in (("prompt", spent.prompt_tokens), ("completion", spent.completion_tokens)):
            metrics.tokens.labels(model=name, kind=kind).inc(tokens or 0)
        metrics.usd.labels(model=name).inc(spent.usd or 0.0)
        say = log.info if outcome == ANSWERED else log.warning
        whose = {"run_id": about.run_id, "task_id": about.task_id, "purpose": about.purpose}
        say("model.asked", **whose, model=name, outcome=outcome, seconds=round(seconds, 3), **asdict(spent), **more)


def call_id(question: Question, about: About, *, model: str) -> str:
    """`<task>:<sha256 of model and question>`; once the task was ordered to be done again, of that order as well."""
    asked = {"model": model, "question": asdict(question)} | ({"anew": about.anew} if about.anew else {})
    canonical = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return f"{about.task_id}:{hashlib.sha256(canonical).hexdigest()}"


def _row(about: About, model: str, *, spent: Spent, seconds: float, at: datetime) -> Doc:
    whose = {"run_id": about.run_id, "task_id": about.task_id, "purpose": about.purpose, "model": model}
    return {**whose, **asdict(spent), "seconds": round(seconds, 3), "created_at": at}


def _written(reply: Reply) -> str:
    """As JSON text: what a model gives as arguments need not be storable as a document."""
    kept = {"text": reply.text, "finish": reply.finish, "model": reply.model, "calls": [asdict(call) for call in reply.calls]}
    return orjson.dumps(kept).decode()


def _read(row: Doc) -> Reply:
    kept, spent = orjson.loads(row["reply"]), Spent(row["prompt_tokens"], row["completion_tokens"], row["usd"])
    calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in kept["calls"])
    return Reply(kept["text"], calls, finish=kept["finish"], model=kept["model"], spent=spent, reused=True)
