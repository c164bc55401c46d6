"""The scripted model over real HTTP, asked by the client that asks real ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.errors import BadInput, ModelFailed
from shared.models.answer import Unusable
from shared.models.endpoint import Endpoint
from shared.models.port import About, Question, Reply, Spent, Tool, Turn
from shared.models.settings import ModelSettings
from taskgrove.scripted import Script, ScriptedModel, read_script, scripted
from tests.e2e.grove import ROOT

TOOLS = (
    Tool("read_file", "Read.", {"type": "object", "properties": {"path": {"type": "string"}}}),
    Tool("done", "End.", {"type": "object", "properties": {}}),
)
SCHEMA = {"type": "object"}


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with scripted(Script.model_validate({"rules": [{"answers": [{"text": "x"}]}]})) as model:
        yield model


async def ask(model: ScriptedModel, question: Question | str, **given: Any) -> Reply:
    settings = ModelSettings.model_validate({"base_url": model.url, "name": "scripted", **given})
    endpoint = Endpoint(settings)
    try:
        asked = Question((Turn("user", question),)) if isinstance(question, str) else question
        return await endpoint.ask(asked, About("r", "t", "p"), seconds=5)
    finally:
        await endpoint.close()


def play(model: ScriptedModel, *rules: dict[str, Any], **more: Any) -> None:
    model.play(Script.model_validate({"rules": rules, **more}))


async def test_the_first_rule_that_fits_answers(model: ScriptedModel) -> None:
    play(
        model,
        {"when": {"schema": "plan"}, "answers": [{"json": {"a": 1}}]},
        {"when": {"contains": "red", "matches": "r.d (apple|pear)"}, "answers": [{"text": "fruit"}]},
        {"when": {"system": "boss", "last": "now"}, "answers": [{"text": "yes"}]},
        {"when": {"tools": False}, "answers": [{"text": "one"}, {"text": "two", "usage": None}]},
    )
    assert (await ask(model, Question((Turn("user", "x"),), schema=SCHEMA, schema_name="plan"))).text == '{"a":1}'
    assert (await ask(model, "a red pear")).text == "fruit"
    assert (await ask(model, Question((Turn("system", "boss"), Turn("user", "now"))))).text == "yes"
    said = [await ask(model, "else") for _ in range(3)]
    assert [(reply.text, reply.spent) for reply in said] == [("one", Spent(100, 20)), ("two", Spent()), ("two", Spent())]
    assert len(model.received) == 6
    assert model.received[1].body["messages"] == [{"role": "user", "content": "a red pear"}]


@pytest.mark.parametrize("mode", ["native", "json"])
async def test_one_script_serves_both_ways_of_tools_turn_by_turn(model: ScriptedModel, mode: str) -> None:
    turns = [{"calls": [{"name": "read_file", "arguments": {"path": "a"}}]}, {"calls": [{"name": "done"}]}]
    play(model, {"when": {"tool": "read_file"}, "turns": turns})
    question = Question((Turn("system", "s"), Turn("user", "u")), tools=TOOLS)
    first = await ask(model, question, tools=mode)
    assert [(call.name, call.arguments) for call in first.calls] == [("read_file", {"path": "a"})]
    more = (Turn("assistant", first.text, first.calls), Turn("tool", "text", answers=first.calls[0].id))
    second = await ask(model, Question((*question.turns, *more), tools=TOOLS), tools=mode)
    assert [call.name for call in second.calls] == ["done"]
    assert (await ask(model, question, tools=mode)).calls[0].name == "read_file", "the first turn of another conversation"


async def test_everything_that_goes_wrong_with_real_ones(model: ScriptedModel) -> None:
    failures = [
        {"status": 429, "retry_after": 2}, {"status": 500}, {"text": "no json"}, {"json": {"a": "long"}, "cut": 3},
        {"body": "<html>"}, {"text": "", "finish": "content_filter"}, {"status": 400, "code": "context_length_exceeded"},
    ]  # fmt: skip
    play(model, {"answers": failures})
    seen = []
    for _ in failures:
        with pytest.raises(ModelFailed) as raised:
            await ask(model, Question((Turn("user", "x"),), schema=SCHEMA))
        seen.append(raised.value)
    codes = ["model_busy", "model_busy", "model_nonsense", "model_nonsense", "model_nonsense", "model_refused", "model_refused"]
    assert [error.code for error in seen] == codes
    assert seen[0].retry_after == 2
    assert [error.spent.prompt_tokens for error in seen if isinstance(error, Unusable)] == [100, 100, None, 100]


async def test_a_wrong_key_an_unknown_model_and_a_question_without_a_rule(model: ScriptedModel) -> None:
    play(model, {"when": {"contains": "red"}, "answers": [{"text": "x"}]}, key="right")
    assert model.environment["TASKGROVE_MODEL_API_KEY"] == "right"
    for question, given, says in (
        ("red", {"api_key": "wrong"}, "refused the key"),
        ("red", {"api_key": "right", "name": "other"}, "has no model 'other'"),
        ("blue", {"api_key": "right"}, "no rule of the script fits"),
    ):
        with pytest.raises(ModelFailed, match=says):
            await ask(model, question, **given)
    assert [received.status for received in model.received] == [401, 404, 400]


async def test_what_else_is_served(model: ScriptedModel) -> None:
    play(model, {"answers": [{"text": "x"}]})
    async with httpx2.AsyncClient(trust_env=False) as client:
        listed = (await client.get(f"{model.url}/models")).json()
        assert [one["id"] for one in listed["data"]] == ["scripted"]
        assert (await client.get(f"{model.url}/elsewhere")).status_code == 404
        for body in (b"{", b"[]", b'{"messages": 7}'):
            assert (await client.post(f"{model.url}/chat/completions", content=body)).status_code == 400


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("{", "Invalid JSON"),
        ({"rules": [{"answers": [{"txt": "x"}]}]}, r"rules\.0\.answers\.0\.txt"),
        ({"rules": [{"when": {"matches": "("}, "answers": [{"text": "x"}]}]}, "no regular expression"),
        ({"rules": [{}]}, "either answers or turns"),
    ],
)
def test_a_wrong_script_says_where(tmp_path: Path, script: Any, says: str) -> None:
    file = tmp_path / "script.json"
    file.write_text(script if isinstance(script, str) else json.dumps(script))
    with pytest.raises(BadInput, match=says):
        read_script(file)


def test_the_scripts_of_the_examples_are_sound() -> None:
    assert read_script(ROOT / "examples" / "model-demo" / "script.json").rules


def test_a_port_that_is_taken_is_said(model: ScriptedModel) -> None:
    port = int(model.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(BadInput, match="cannot listen"), scripted(model.script, port=port):
        raise AssertionError
