"""What ends the agent `model`: steps, tokens, seconds, and going round in circles."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.executor.agents import Answer, Done
from shared.errors import AgentFailed
from shared.models.answer import Unusable
from shared.models.port import Reply, Spent
from tests.unit.executor.agents.thinkers import Scripted, done, uses

Do = Callable[..., Awaitable[tuple[Answer, Scripted]]]


class TestCaps:
    @pytest.mark.parametrize("inputs", [{}, {"max_steps": 3}, {"max_steps": 99}])
    async def test_steps(self, do: Do, inputs: dict[str, Any]) -> None:
        lines = [uses("read_file", path=f"{number}") for number in range(9)]
        with pytest.raises(AgentFailed, match="TASKGROVE_EXECUTOR_MODEL_STEPS") as failed:
            await do(*lines, caps={"steps": 5}, inputs=inputs)
        assert failed.value.code == "too_many_steps"
        assert f"after {3 if inputs.get('max_steps') == 3 else 5} steps" in str(failed.value)

    async def test_tokens(self, do: Do) -> None:
        lines = [uses("read_file", path=f"{number}") for number in range(9)]
        with pytest.raises(AgentFailed, match="TASKGROVE_EXECUTOR_MODEL_TOKENS") as failed:
            await do(*lines, caps={"tokens": 300})
        assert "330 tokens, more than the 300" in str(failed.value)

    async def test_tokens_that_the_endpoint_does_not_count_are_estimated(self, do: Do) -> None:
        silent = replace(uses("list_files"), spent=Spent())
        with pytest.raises(AgentFailed, match="more than the 100"):
            await do(silent, inputs={"max_tokens": 100})

    async def test_what_a_model_writes_is_part_of_the_estimate(self, do: Do) -> None:
        """Once as what it said, and once more in each conversation that it is a part of from then on."""
        lines = [replace(uses("write_file", path="a", content="x" * 40_000), spent=Spent()), replace(done(), spent=Spent())]
        await do(*lines, inputs={"max_tokens": 30_000})
        with pytest.raises(AgentFailed, match="more than the 20000"):
            await do(*lines, inputs={"max_tokens": 20_000})
        with pytest.raises(AgentFailed, match="more than the 10000"):
            await do(*lines, inputs={"max_tokens": 10_000})

    @pytest.mark.parametrize("spent", [Spent(100, 200), Spent()])
    async def test_answers_that_cannot_be_used_count_as_well(self, do: Do, spent: Spent) -> None:
        lines = [Unusable(f"bad {number}", said="x" * 800, spent=spent) for number in range(9)]
        with pytest.raises(AgentFailed, match="TASKGROVE_EXECUTOR_MODEL_TOKENS") as failed:
            await do(*lines, done(), inputs={"max_tokens": 2_000})
        assert failed.value.code == "too_many_tokens"

    async def test_seconds(self, do: Do) -> None:
        with pytest.raises(AgentFailed, match="`timeout:`") as failed:
            await do(uses("run_command", command="sleep 60"), timeout=0.3)
        assert failed.value.code == "timed_out"

    async def test_stuck(self, do: Do) -> None:
        with pytest.raises(AgentFailed, match=r"stuck: 3 times in a row .* list_files .*TASKGROVE_EXECUTOR_MODEL_REPEATS"):
            await do(uses("list_files"))

    async def test_a_model_that_only_talks(self, do: Do) -> None:
        answer, model = await do(Reply("Let me think."), done())
        assert isinstance(answer, Done)
        assert model.heard() == "You used no tool. Go on with one of them, or call done."
        with pytest.raises(AgentFailed, match="without using a tool"):
            await do(Reply("Let me think."))
