"""How far the agent may go: steps, tokens, repeats. Whatever ends it names the cap and how to raise it."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from shared.catalogue.agents import ModelInputs
from shared.errors import AgentFailed
from shared.models.port import Spent, Turn

SETTING = "TASKGROVE_EXECUTOR_MODEL_"
BYTES_A_TOKEN = 4  # a rough average of English text, for endpoints that do not count
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Caps:
    """The bounds of one attempt; a task's own inputs can only lower them."""

    steps: int = 40
    tokens: int = 500_000
    repeats: int = 3
    context_bytes: int = 32_768
    command_seconds: float = 120.0


class Meter:
    """Counts one attempt. What came from the ledger counts like what was paid: the same attempt always ends at the same place."""

    def __init__(self, caps: Caps, inputs: ModelInputs) -> None:
        self._steps = _lower(caps.steps, inputs.max_steps)
        self._tokens = _lower(caps.tokens, inputs.max_tokens)
        self._repeats = caps.repeats
        self._last = ""
        self._again = 0
        self.steps = 0
        self.tokens = 0

    def step(self) -> None:
        """Another question to the model. Raises AgentFailed when there were enough."""
        if self.steps >= self._steps:
            what = f"the model was not done after {self._steps} steps; split the task, or raise {SETTING}STEPS (or the input max_steps)"
            raise AgentFailed(what, code="too_many_steps")
        self.steps += 1

    def paid(self, turns: Sequence[Turn], answer: Turn, spent: Spent) -> None:
        """What an answer took, also one that cannot be used. Raises AgentFailed when that is too much in all."""
        prompt, said = spent.prompt_tokens, spent.completion_tokens
        self.tokens += _estimated(turns) if prompt is None else prompt
        self.tokens += _estimated([answer]) if said is None else said
        if self.tokens > self._tokens:
            what = f"the model has used {self.tokens} tokens, more than the {self._tokens} that this task may use"
            raise AgentFailed(f"{what}; split the task, or raise {SETTING}TOKENS (or the input max_tokens)", code="too_many_tokens")

    def did(self, what: str) -> None:
        """What the model wants now. Raises AgentFailed when that was the very same too often in a row."""
        self._again = self._again + 1 if what == self._last else 1
        self._last = what
        if self._again >= self._repeats:
            stuck = f"the model is stuck: {self._again} times in a row it answered {what[:SHOWN]}"
            raise AgentFailed(f"{stuck}; make the task clearer, or raise {SETTING}REPEATS", code="stuck")


def _estimated(turns: Sequence[Turn]) -> int:
    """What these may be in tokens. The arguments of its calls hold nearly all that an agent writes."""
    written = [turn.text.encode() for turn in turns]
    written += [orjson.dumps(dict(call.arguments)) for turn in turns for call in turn.calls]
    return sum(map(len, written)) // BYTES_A_TOKEN


def _lower(cap: int, wanted: int | None) -> int:
    return cap if wanted is None else min(cap, wanted)
