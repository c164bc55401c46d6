"""The agent `model`: asks, uses the tools that the model wants, asks again, until it is done or a cap ends it."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from services.executor.agents.base import Answer, Around, DependencyResult, Done, Tools, Work, given
from services.executor.agents.files import keep, lay_out
from services.executor.agents.model.caps import Meter
from services.executor.agents.model.context import context
from services.executor.agents.model.pausing import Pausing
from services.executor.agents.model.thinking import Thinking
from services.executor.agents.model.toolbox import MOST_SPLITS, End, Toolbox, signature
from services.executor.agents.model.workspace import INPUTS, Workspace
from shared.artifacts import on_disk
from shared.catalogue.agents import ModelInputs
from shared.errors import AgentFailed, BadInput, ModelFailed, Unavailable
from shared.models.answer import Unusable
from shared.models.fence import fenced
from shared.models.patience import Patience
from shared.models.port import About, Question, Reply, ToolCall, Turn
from shared.models.settings import NO_MODEL
from shared.turns import timed_by

PROMPTS = ("agent-rules.txt.j2", "agent-task.txt.j2")
PURPOSE = "agent"
MOST_ANSWER = 200_000  # TASKGROVE_MODEL_MAX_TOKENS is less, and decides
MOST_OUTPUT = 8_192
MOST_CALLS = 20
BUSY = Patience(lambda error: error.code == "model_busy", base=4.0, cap=60.0, most_waits=5)
SHOWN = 200
NO_TOOL = "You used no tool. Go on with one of them, or call done."
TOO_MANY = f"not done: at most {MOST_CALLS} calls at once"


class ModelAgent:
    """Thousands of them wait for their models on one event loop; only their commands take a processor."""

    name = "model"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def do(self, work: Work) -> Answer:
        """One attempt within the task's time. The files it leaves are its result, as with any agent."""
        inputs = given(work.inputs, as_=ModelInputs)
        if (thinking := self._tools.thinking) is None:
            raise AgentFailed(f"{work.title!r} is for the agent model, and {NO_MODEL}", code="no_model", permanent=True)
        pausing = Pausing()
        clock = asyncio.timeout(work.timeout)
        try:
            async with clock:
                with work.control.over(pausing, clock) as deadline, timed_by(deadline):
                    return await _Attempt(self._tools, thinking, work, inputs=inputs, pausing=pausing).run()
        except TimeoutError as error:
            if not clock.expired():
                raise
            late = f"the model was not done after {work.timeout:g} s; give the task more time with `timeout:`"
            raise AgentFailed(late, code="timed_out") from error


class _Attempt:
    """One attempt: its directory, its conversation, its meter."""

    def __init__(self, tools: Tools, thinking: Thinking, work: Work, *, inputs: ModelInputs, pausing: Pausing) -> None:
        self._tools = tools
        self._thinking = thinking
        self._work = work
        self._inputs = inputs
        self._pausing = pausing
        self._meter = Meter(thinking.caps, inputs)
        self._directory = work.directory().resolve() / "work"
        self._workspace = Workspace(self._directory)

    async def run(self) -> Answer:
        """Lay out, converse, keep."""
        await asyncio.to_thread(_make, self._directory)
        dependencies, around = await self._work.dependencies(), await self._work.around()
        await lay_out(dependencies, self._directory / INPUTS, store=self._tools.artifacts)
        may_split = around.splits < MOST_SPLITS and not around.deepest
        run = self._run if self._tools.may_obey_models else None
        box = Toolbox(self._workspace, run, answers=dict(around.answers), may_split=may_split)
        try:
            end = await self._converse(await self._beginning(around, dependencies, may_split=may_split), box)
        finally:
            self._thinking.metrics.steps.observe(self._meter.steps)
        if not isinstance(end, Done):
            return end
        kept = await keep(self._directory, self._work.outputs, store=self._tools.artifacts)
        facts = {"model": self._thinking.model.name, "prompt": self._thinking.prompts.hash(*PROMPTS), "steps": self._meter.steps}
        return Done(end.result.model_copy(update={"artifacts": kept}), facts)

    async def _beginning(self, around: Around, dependencies: Mapping[str, DependencyResult], *, may_split: bool) -> list[Turn]:
        prompts, most = self._thinking.prompts, self._thinking.caps.context_bytes
        instructions, workspace = self._inputs.instructions, self._workspace
        may_run = self._tools.may_obey_models
        parts = await context(self._work, around, dependencies, instructions=instructions, workspace=workspace, most=most, may_run=may_run)
        outputs = _quoted(self._work.outputs)
        rules = prompts.render(PROMPTS[0], may_split=may_split, may_run=may_run, has_inputs=bool(dependencies), outputs=outputs)
        return [Turn("system", rules), Turn("user", prompts.render(PROMPTS[1], **parts))]

    async def _converse(self, turns: list[Turn], box: Toolbox) -> End:
        while True:
            await self._pausing.wait()
            self._meter.step()
            try:
                reply = await self._asked(turns, box)
            except ModelFailed as error:
                if error.code != "model_nonsense":
                    raise
                if isinstance(error, Unusable):
                    self._meter.paid(turns, Turn("assistant", error.said), error.spent)
                self._meter.did(f"what cannot be used ({error})")
                turns.append(Turn("user", f"Your last answer was not usable: {error}"))
                continue
            answer = Turn("assistant", reply.text, calls=reply.calls)
            self._meter.paid(turns, answer, reply.spent)
            turns.append(answer)
            self._meter.did(signature(reply.calls))
            if not reply.calls:
                turns.append(Turn("user", NO_TOOL))
            for number, call in enumerate(reply.calls):
                got = await self._used(box, call) if number < MOST_CALLS else TOO_MANY
                if not isinstance(got, str):
                    return got
                turns.append(Turn("tool", got, answers=call.id))

    async def _asked(self, turns: list[Turn], box: Toolbox) -> Reply:
        """The model's answer. A busy endpoint is asked again when it says, a few times: a queue is no failure of the task."""
        question = Question(tuple(turns), tools=box.offered, max_tokens=MOST_ANSWER)
        work, about = self._work, About(self._work.run_id, self._work.task_id, PURPOSE, self._work.anew)
        return await BUSY.get(
            lambda: self._thinking.model.ask(question, about, seconds=work.timeout),
            waits=lambda error, seconds: work.say(f"{error}; waiting {round(seconds, 3):g} s"),
        )

    async def _used(self, box: Toolbox, call: ToolCall) -> str | End:
        """What a call gives; a refusal is something that the model can learn from."""
        count = self._thinking.metrics.calls
        tool = box.known(call.name)
        self._work.say(f"{tool} {_gist(call)}")
        try:
            got = await box.use(call)
        except BadInput as error:
            count.labels(tool, "refused").inc()
            return f"refused: {error}"
        count.labels(tool, "ok").inc()
        return got

    async def _run(self, command: str) -> str:
        work, seconds, directory = self._work, self._thinking.caps.command_seconds, self._directory
        async with self._thinking.commands.one(work.run_id):
            try:
                finished = await self._tools.sandbox.run(
                    ["sh", "-c", command],
                    directory=directory,
                    env={**work.env, "TASKGROVE_INPUTS": str(directory / INPUTS)},
                    limits=replace(self._tools.limits, seconds=seconds),
                    on_line=work.say,
                    shown=[Path(value) for value in work.env.values() if value.startswith("/")],
                    control=work.control,
                )
            except Unavailable as error:
                raise AgentFailed(str(error), code="sandbox_failed") from error
        how = f"stopped: it took longer than {seconds:g} s" if finished.timed_out else finished.how()
        output = _tail(_the_same_again(finished.output, directory, attempt=work.attempt_id))
        return f"{how}\n{fenced('output', output)}" if output else f"{how}, without any output"


def _quoted(patterns: Sequence[str]) -> str:
    """Patterns among the rules: they come from notes or from a model, and must not read like a rule."""
    return ", ".join(json.dumps(" ".join(pattern.split()), ensure_ascii=False) for pattern in patterns)


def _make(directory: Path) -> None:
    with on_disk(directory):
        directory.mkdir(parents=True, exist_ok=True)


def _the_same_again(output: str, directory: Path, *, attempt: str) -> str:
    """The next attempt has another place and id: those of this one must not be in the conversation, or the ledger would not know it."""
    scratch = re.sub(re.escape(str(directory)) + r"\.tmp-\w+", "/tmp", output)  # noqa: S108 (as it is called inside the sandbox)
    placed = scratch.replace(str(directory), ".")
    return re.sub(re.escape(attempt) + r"(?!\d)", "$TASKGROVE_ATTEMPT_ID", placed)


def _tail(output: str) -> str:
    encoded = output.rstrip().encode(errors="replace")
    left_out = len(encoded) - MOST_OUTPUT
    kept = encoded[-MOST_OUTPUT:].decode(errors="ignore")
    return f"[… {left_out} bytes left out …]\n{kept}" if left_out > 0 else kept


def _gist(call: ToolCall) -> str:
    """A call in a line for the logs."""
    return next((" ".join(str(value).split())[:SHOWN] for value in call.arguments.values()), "")
