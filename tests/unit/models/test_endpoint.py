"""What is sent to an endpoint, what is made of its answers, and what each way of failing is called."""

import asyncio
from typing import Any

import httpx2
import orjson
import pytest

from shared.errors import BadInput, ModelFailed
from shared.models.answer import Unusable
from shared.models.port import Question, Reply, Spent, Tool, ToolCall, Turn
from tests.unit.models.wire import Wire, completion, settings

PLAN = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
READ = Tool("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})
DONE = Tool("done", "Finish.", {"type": "object", "properties": {"summary": {"type": "string", "maxLength": 80}}})
SECRET = "sk-very-secret"  # noqa: S105 (it opens nothing)


def asking(**given: Any) -> Question:
    return Question((Turn("system", "You help."), Turn("user", "Please")), **given)


def native_call(name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


async def test_a_plain_question() -> None:
    wire = Wire(lambda _: completion("hello", usage={"prompt_tokens": 3, "completion_tokens": 1}))
    assert await wire.ask(asking()) == Reply("hello", model="m-1", spent=Spent(3, 1, None))
    assert str(wire.requests[0].url) == "http://model.test/v1/chat/completions"
    assert wire.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert wire.bodies[0] == {
        "model": "m",
        "messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": "Please"}],
        "max_tokens": 2048,
        "temperature": 0.0,
    }


async def test_without_a_key_none_is_sent_nor_what_another_program_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "somebody-elses")
    wire = Wire(lambda _: completion("hello"), api_key="")
    await wire.ask()
    assert "somebody-elses" not in str(wire.requests[0].headers)
    assert "authorization" not in wire.requests[0].headers


async def test_a_schema_binds_the_answer_and_a_fence_around_it_is_taken_off() -> None:
    wire = Wire(lambda _: completion('```json\n{"title": "T"}\n```'))
    assert (await wire.ask(asking(schema=PLAN, schema_name="plan"))).text == '{"title":"T"}'
    assert wire.bodies[0]["response_format"] == {"type": "json_schema", "json_schema": {"name": "plan", "schema": PLAN}}


async def test_native_tools() -> None:
    wire = Wire(lambda _: completion(None, finish="tool_calls", **native_call("read_file", '{"path": "a"}')))
    reply = await wire.ask(asking(tools=(READ, DONE)))
    assert reply.calls == (ToolCall("c1", "read_file", {"path": "a"}),)
    assert wire.bodies[0]["tools"][0]["function"]["parameters"] == READ.parameters
    turns = (Turn("user", "Please"), Turn("assistant", reply.text, reply.calls), Turn("tool", "the text", answers="c1"))
    await wire.ask(Question(turns, tools=(READ, DONE)))
    said = wire.bodies[1]["messages"]
    assert said[1]["tool_calls"][0] == {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a"}'}}
    assert said[2] == {"role": "tool", "tool_call_id": "c1", "content": "the text"}


@pytest.mark.parametrize(("given", "ids"), [
    (["c1", "c1"], ["call_2_0", "call_2_1"]),
    (["c1", None], ["call_2_0", "call_2_1"]),
    (["call_2_1", "call_2_1", "c"], ["call_2_0", "call_2_1", "call_2_2"]),
    (["b", "a"], ["b", "a"]),
])  # fmt: skip
async def test_calls_of_one_answer_have_ids_of_their_own(given: list[str | None], ids: list[str]) -> None:
    """Sent back with the same id twice, endpoints refuse the conversation."""
    calls = [{"id": one, "type": "function", "function": {"name": "read_file", "arguments": "{}"}} for one in given]
    reply = await Wire(lambda _: completion(None, tool_calls=calls)).ask(asking(tools=(READ,)))
    assert [call.id for call in reply.calls] == ids


async def test_tools_as_json_for_models_that_cannot_call_them() -> None:
    wire = Wire(lambda _: completion('{"tool": "read_file", "arguments": {"path": "a"}}'), tools="json")
    reply = await wire.ask(asking(tools=(READ, DONE)))
    assert (reply.text, reply.calls) == ("", (ToolCall("call_2_0", "read_file", {"path": "a"}),))
    body = wire.bodies[0]
    assert "tools" not in body
    assert "Read a file." in body["messages"][0]["content"]
    assert body["messages"][0]["content"].startswith("You help.")
    read, done = body["response_format"]["json_schema"]["schema"]["anyOf"]
    assert read["properties"]["tool"] == {"const": "read_file"}
    assert read["properties"]["arguments"]["properties"]["path"]["maxLength"] > 0, "small models do not end what has no end"
    assert done["properties"]["arguments"]["properties"]["summary"]["maxLength"] == 80
    turns = (*asking().turns, Turn("assistant", "", reply.calls), Turn("tool", "the text", answers="call_2_0"))
    await wire.ask(Question(turns, tools=(READ, DONE)))
    assert wire.bodies[1]["messages"][2:] == [
        {"role": "assistant", "content": '{"tool":"read_file","arguments":{"path":"a"}}'},
        {"role": "user", "content": "Result of read_file:\nthe text"},
    ]


@pytest.mark.parametrize(
    ("answer", "question", "mode", "says"),
    [
        pytest.param(completion("no json"), asking(schema=PLAN), "native", "it is no JSON", id="not JSON"),
        pytest.param(completion("[1]"), asking(schema=PLAN), "native", "no JSON object", id="not an object"),
        pytest.param(completion('{"ti', finish="length"), asking(schema=PLAN), "native", "cut off after 5 tokens", id="cut off"),
        pytest.param(completion(None, **native_call("rm", "{}")), asking(tools=(READ,)), "native", "no tool 'rm'", id="unknown tool"),
        pytest.param(completion(None, **native_call("read_file", "{")), asking(tools=(READ,)), "native", "no JSON", id="broken arguments"),
        pytest.param(completion('{"tool": "rm"}'), asking(tools=(READ,)), "json", "must be one of read_file", id="unknown step"),
        pytest.param(completion('{"tool": "read_file", "arguments": 1}'), asking(tools=(READ,)), "json", "be an object", id="odd step"),
    ],
)
async def test_nonsense_is_called_so_and_its_cost_is_known(answer: httpx2.Response, question: Question, mode: str, says: str) -> None:
    with pytest.raises(Unusable, match=says) as raised:
        await Wire(lambda _: answer, tools=mode).ask(question)
    assert (raised.value.code, raised.value.permanent) == ("model_nonsense", False)
    assert raised.value.spent == Spent(10, 5, None)


async def test_of_a_call_that_was_cut_off_what_there_is_counts_as_said() -> None:
    """Where the endpoint does not count, that is all that is known of its cost."""
    cut = completion("I write", finish="length", usage={}, **native_call("read_file", '{"path": "aaaa'))
    with pytest.raises(Unusable) as raised:
        await Wire(lambda _: cut).ask(asking(tools=(READ,)))
    assert (raised.value.said, raised.value.spent) == ('I write\n{"path": "aaaa', Spent())


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 7}}]}', b"\xff"])
async def test_what_is_no_completion_at_all(body: bytes) -> None:
    with pytest.raises(ModelFailed, match="TASKGROVE_MODEL_BASE_URL") as raised:
        await Wire(lambda _: httpx2.Response(200, content=body, headers={"content-type": "application/json"})).ask()
    assert raised.value.code == "model_nonsense"


async def test_plain_text_may_be_cut_off_and_says_so() -> None:
    assert (await Wire(lambda _: completion("a long st", finish="length")).ask()).finish == "length"


async def test_a_refusal_is_final() -> None:
    for answer in (completion(None, refusal="I cannot"), completion("", finish="content_filter")):
        with pytest.raises(Unusable) as raised:
            await Wire(lambda _, answer=answer: answer).ask()
        assert (raised.value.code, raised.value.permanent) == ("model_refused", True)


@pytest.mark.parametrize(
    ("status", "error", "code", "permanent", "says"),
    [
        (401, {"message": f"Incorrect key {SECRET}"}, "model_refused", True, "TASKGROVE_MODEL_API_KEY"),
        (403, {}, "model_refused", True, "TASKGROVE_MODEL_API_KEY"),
        (404, {"message": "no such model"}, "model_refused", True, "TASKGROVE_MODEL_NAME"),
        (400, {"code": "context_length_exceeded", "message": "x"}, "model_refused", True, "too long"),
        (400, {"message": "the request exceeds the available context size"}, "model_refused", True, "too long"),
        (413, {}, "model_refused", True, "too long"),
        (400, {"message": "odd"}, "model_refused", True, "odd"),
        (429, {"code": "insufficient_quota"}, "model_refused", True, "no credit"),
        (402, {}, "model_refused", True, "no credit"),
        (429, {"message": "slow down"}, "model_busy", False, "busy"),
        (500, {}, "model_busy", False, "failed"),
        (503, {}, "model_busy", False, "failed"),
        (504, {}, "model_timed_out", False, "in time"),
    ],
)
async def test_every_refusal_has_its_name(status: int, error: dict[str, str], code: str, *, permanent: bool, says: str) -> None:
    wire = Wire(lambda _: httpx2.Response(status, json={"error": error}))
    with pytest.raises(ModelFailed, match=says) as raised:
        await wire.ask()
    assert (raised.value.code, raised.value.permanent) == (code, permanent)
    assert SECRET not in str(raised.value)
    assert len(wire.requests) == 1, "the task's own retry decides"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "99999"}, 3600.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_busy_endpoint_says_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(ModelFailed) as raised:
        await Wire(lambda _: httpx2.Response(429, headers=headers)).ask()
    assert raised.value.retry_after == seconds


async def test_a_dead_endpoint_is_named() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("Connection refused", request=request)

    with pytest.raises(ModelFailed, match=r"nothing answers at http://model\.test/v1 \(Connection refused") as raised:
        await Wire(refuse).ask()
    assert (raised.value.code, raised.value.permanent) == ("model_unreachable", False)


async def test_no_answer_in_time() -> None:
    class Silent(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.Event().wait()
            return completion("never", usage=request)

    wire = Wire(lambda _: completion())
    wire.endpoint = type(wire.endpoint)(settings(), transport=Silent())
    with pytest.raises(ModelFailed) as raised:
        await wire.ask(seconds=0.01)
    assert raised.value.code == "model_timed_out"


async def test_what_the_endpoint_does_not_support_is_left_out_from_then_on() -> None:
    def newer(request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        for name in ("max_tokens", "temperature"):
            if name in body:
                error = {"message": f"Unsupported parameter: '{name}'", "param": name, "code": "unsupported_parameter"}
                return httpx2.Response(400, json={"error": error})
        return completion("hello")

    wire = Wire(newer)
    assert (await wire.ask()).text == "hello"
    assert [len(body) for body in wire.bodies] == [4, 4, 3]
    assert wire.bodies[2]["max_completion_tokens"] == 2048
    await wire.ask()
    assert len(wire.bodies) == 4


async def test_several_may_learn_at_once_what_is_not_supported() -> None:
    refused = httpx2.Response(400, json={"error": {"message": "unsupported", "param": "max_tokens", "code": "unsupported_parameter"}})
    wire = Wire(lambda request: refused if "max_tokens" in orjson.loads(request.content) else completion("hello"))
    replies = await asyncio.gather(*(wire.ask() for _ in range(5)))
    assert {reply.text for reply in replies} == {"hello"}
    stubborn = Wire(lambda _: refused)
    with pytest.raises(ModelFailed):
        await stubborn.ask()
    assert len(stubborn.requests) == 2, "said once, it is not said for ever"


async def test_prices() -> None:
    used = {"prompt_tokens": 1_000_000, "completion_tokens": 500_000}
    answer = completion("x", usage=used)
    assert (await Wire(lambda _: answer).ask()).spent.usd is None, "nobody lists it: unknown, not 0"
    prices = {"usd_per_million_prompt_tokens": 2.0, "usd_per_million_completion_tokens": 4.0}
    assert (await Wire(lambda _: answer, **prices).ask()).spent.usd == 4.0
    listed = await Wire(lambda _: answer, base_url="https://api.openai.com/v1", name="gpt-4o-mini").ask()
    assert listed.spent.usd == pytest.approx(0.45)
    assert (await Wire(lambda _: completion("x", usage={}), **prices).ask()).spent == Spent()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"base_url": "localhost:8080"}, "TASKGROVE_MODEL_BASE_URL"),
        ({"base_url": "http://h/v1?key=very-secret"}, "has a query or a fragment"),
        ({"base_url": "http://h/v1#very-secret"}, "give http://h/v1,"),
        ({"name": ""}, "TASKGROVE_MODEL_NAME"),
        ({"api_key": "sk-very secret"}, "TASKGROVE_MODEL_API_KEY"),
        ({"usd_per_million_prompt_tokens": 1.0}, "TASKGROVE_MODEL_USD_PER_MILLION_COMPLETION_TOKENS is missing"),
        ({"usd_per_million_completion_tokens": 0.0}, "TASKGROVE_MODEL_USD_PER_MILLION_PROMPT_TOKENS is missing"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_showing_the_key(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as raised:
        settings(**given).refuse_incomplete()
    assert "very" not in str(raised.value)


def test_the_url_is_shown_without_secrets() -> None:
    assert settings(base_url="https://me:pw@h:1/v1/?key=1").url == "https://h:1/v1"
    assert "pw" not in repr(settings(base_url="https://me:pw@h:1/v1"))
    assert settings(base_url="http://127.0.0.1:1/v1").loopback


@pytest.mark.parametrize("mode", ["native", "json"])
async def test_what_is_nested_too_deeply_is_refused_before_anything_breaks_on_it(mode: str) -> None:
    deep = '{"path": ' + "[" * 400 + "]" * 400 + "}"
    said = (
        completion(None, **native_call("read_file", deep))
        if mode == "native"
        else completion(f'{{"tool": "read_file", "arguments": {deep}}}')
    )
    with pytest.raises(Unusable, match="nested deeper") as refused:
        await Wire(lambda _: said, tools=mode).ask(asking(tools=(READ,)))
    assert refused.value.code == "model_nonsense"
    with pytest.raises(Unusable, match="nested deeper"):
        await Wire(lambda _: completion(deep)).ask(asking(schema=PLAN))
