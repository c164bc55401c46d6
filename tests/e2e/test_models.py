"""Language models on the real services, by a scripted endpoint: from a prompt to verified work, and models that are of no use."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.errors import BadInput
from taskgrove.scripted import Script, ScriptedModel, read_script, scripted
from tests.e2e.grove import ROOT, Grove, ended, until

DEMO = ROOT / "examples" / "model-demo"
PROMPT = ("--prompt", "Write a greeting into hello.txt.")
ONE_TASK = {
    "title": "A greeting",
    "tasks": [
        {
            "key": "greet", "title": "Greet", "description": "Write a greeting into hello.txt.", "after": [], "agent": "model",
            "script": "", "outputs": ["hello.txt"], "checks": [{"kind": "contains", "path": "hello.txt", "value": "hello"}], "approval": "",
            "seconds": 5,
        }
    ],
}  # fmt: skip
PLANS: dict[str, Any] = {"when": {"schema": "plan"}, "answers": [{"json": ONE_TASK}]}
WRITE = {"calls": [{"name": "write_file", "arguments": {"path": "hello.txt", "content": "hello"}}]}
DONE = {"calls": [{"name": "done", "arguments": {"summary": "greeted"}}]}
WORKS: dict[str, Any] = {"when": {"tool": "write_file"}, "turns": [WRITE, DONE]}

Endpoint = Callable[..., ScriptedModel]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[ScriptedModel]:
    """One scripted model; each test gives it the script that it plays."""
    with scripted(Script.model_validate({"rules": [PLANS]})) as model:
        yield model


@pytest.fixture
def playing(endpoint: ScriptedModel) -> Endpoint:
    """The endpoint, with these rules from now on and nothing received."""

    def play(*rules: dict[str, Any], **more: Any) -> ScriptedModel:
        endpoint.play(Script.model_validate({"rules": rules, **more}))
        return endpoint

    return play


@pytest.fixture(scope="session")
async def thinking(endpoint: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Taskgrove with that model, up for all tests of this file."""
    settings = {**endpoint.environment, "TASKGROVE_MODEL_TIMEOUT_SECONDS": "1.5", "TASKGROVE_MODEL_USD_PER_MILLION_PROMPT_TOKENS": "1"}
    settings |= {"TASKGROVE_MODEL_COMMANDS": "always"}  # the scripts are ours, and must run where no sandbox has walls
    settings |= {"TASKGROVE_MODEL_USD_PER_MILLION_COMPLETION_TOKENS": "10", "TASKGROVE_EXECUTOR_MODEL_STEPS": "6"}
    grove = Grove(tmp_path_factory.mktemp("thinking"), settings)
    await grove.up()
    yield grove
    await grove.down()


async def test_a_prompt_alone_becomes_verified_work(thinking: Grove, playing: Endpoint) -> None:
    model = playing(PLANS, WORKS)
    done = await thinking.cli("run", *PROMPT, "--json")
    assert done.status == 0, done.said
    assert done.json["usage"]["promptTokens"] == 300
    assert done.json["usage"]["usd"] == pytest.approx(300e-6 + 600e-6)
    assert [received.status for received in model.received] == [200, 200, 200]
    run = done.json["runId"]
    assert [call["purpose"] for call in await thinking.docs("planner_calls", run_id=run)] == ["plan"]
    assert {call["task_id"] for call in await thinking.docs("executor_calls", run_id=run)} == {f"{run}.1"}
    assert "$0.0009" in (await thinking.cli("status", run)).out
    exported = (await thinking.cli("export", run)).json
    assert [len(exported["slices"][name]) for name in ("planner_calls", "executor_calls", "checker_calls")] == [1, 2, 0]


async def test_the_demo_asks_the_judge_and_keeps_the_approval_of_the_notes(thinking: Grove, playing: Endpoint) -> None:
    script = read_script(DEMO / "script.json")
    playing(*[rule.model_dump(by_alias=True) for rule in script.rules])
    demo = (
        "run",
        "--planner",
        "model",
        "--notes",
        str(DEMO),
        "--prompt",
        "Write a notice for ferry passengers and hand it to the printer.",
    )
    waits = await thinking.cli(*demo, "--json")
    assert (waits.status, len(waits.json["waitsFor"])) == (3, 1), waits.said
    done = await thinking.cli(*demo, "--approve-as", "harbour-master", "--json")
    assert (done.status, done.json["counts"]) == (0, {"completed": 3}), done.said
    assert [call["purpose"] for call in await thinking.docs("checker_calls", run_id=done.json["runId"])] == ["check"]


async def test_what_was_paid_before_a_crash_is_not_paid_again(thinking: Grove, playing: Endpoint) -> None:
    # Slow is only what nobody is there to hear: on a busy machine the next one would run into the endpoint's time-out, and be asked again.
    slow = {"when": {"tool": "write_file", "turn": 2}, "answers": [{**DONE, "delay": 1.4}, DONE]}
    model = playing(PLANS, slow, WORKS)
    run = await thinking.spawn("run", *PROMPT, "--json")
    await until(lambda: _received(model, 3), what="the second question of the agent")
    thinking.kill("executor")
    done = await ended(run)
    assert done.status == 0, done.said
    said = [len(received.body["messages"]) for received in model.received[1:]]
    assert said.count(2) == 1, "the first answer came from the ledger"
    assert said == [2, 4, 4]


async def _received(model: ScriptedModel, count: int) -> bool:
    return len(model.received) >= count


async def test_a_busy_endpoint_costs_time_and_no_task(thinking: Grove, playing: Endpoint) -> None:
    busy = {
        "when": {"tool": "write_file"},
        "answers": [{"status": 429, "retry_after": 0.2}, {"status": 503, "retry_after": 0}, WRITE, DONE],
    }
    model = playing(PLANS, busy)
    done = await thinking.cli("run", *PROMPT, "--json")
    assert done.status == 0, done.said
    assert [received.status for received in model.received] == [200, 429, 503, 200, 200]


@pytest.mark.parametrize(
    ("rules", "most", "says"),
    [
        pytest.param([{"answers": [{"text": "I would rather not."}]}], 2, "no plan that can be carried out", id="a planner that talks"),
        pytest.param([{"answers": [{"json": ONE_TASK, "cut": 40}]}], 2, "cut off", id="a plan that is cut off"),
        pytest.param([{"answers": [{"body": "<html>gateway</html>"}]}], 2, "is TASKGROVE_MODEL_BASE_URL right", id="no endpoint"),
        pytest.param([PLANS, {"answers": [{"text": "la la"}]}], 60, "Greet", id="an agent that talks for ever"),
        pytest.param([PLANS, {"answers": [WRITE]}], 60, "Greet", id="an agent that never ends"),
        pytest.param([PLANS, {"answers": [{"delay": 3, "text": "late"}]}], 60, "Greet", id="an agent that is too late"),
    ],
)
async def test_nonsense_for_ever_ends_visibly_in_bounded_calls(
    thinking: Grove, playing: Endpoint, rules: list[dict[str, Any]], *, most: int, says: str
) -> None:
    model = playing(*rules)
    failed = await thinking.cli("run", *PROMPT, "--json")
    assert failed.status in (1, 3), failed.said
    assert says in failed.said
    assert 0 < len(model.received) <= most
    ledgers = [await thinking.docs(name, run_id=failed.json["runId"]) for name in ("planner_calls", "executor_calls", "checker_calls")]
    paid = sum(row["prompt_tokens"] or 0 for rows in ledgers for row in rows)
    assert (failed.json["usage"]["promptTokens"] or 0) == paid, "what was of no use was paid for all the same"


async def test_a_wrong_key_is_named_and_never_shown(second: Grove, playing: Endpoint) -> None:
    model = playing(PLANS, WORKS, key="the-right-one")
    wrong = {**model.environment, "TASKGROVE_MODEL_API_KEY": "sk-the-wrong-one"}
    refused = await second.cli("run", *PROMPT, "--json", **wrong)
    assert refused.status in (1, 3)
    assert "TASKGROVE_MODEL_API_KEY" in refused.said
    assert [received.status for received in model.received] == [401]
    shown = [refused.said, *(path.read_text(errors="replace") for path in second.root.rglob("*.log*"))]
    assert not [text for text in shown if "sk-the-wrong-one" in text]


async def test_without_a_model_a_prompt_alone_is_refused_before_anything_starts(second: Grove) -> None:
    refused = await second.cli("run", *PROMPT)
    assert (refused.status, refused.out) == (2, "")
    assert "TASKGROVE_MODEL_BASE_URL" in refused.err
    refused = await second.cli("run")
    assert refused.status == 2
    assert "--prompt" in refused.err


async def test_a_dead_endpoint_is_named(second: Grove) -> None:
    dead = {"TASKGROVE_MODEL_BASE_URL": "http://127.0.0.1:9/v1", "TASKGROVE_MODEL_NAME": "m"}
    failed = await second.cli("run", *PROMPT, "--in-memory", "--json", **dead)
    assert failed.status in (1, 3)
    assert "nothing answers at http://127.0.0.1:9/v1" in failed.said


def test_a_script_that_is_none_says_what_is_wrong(tmp_path: Any) -> None:
    (tmp_path / "s.json").write_text('{"rules": [{"when": {"matchs": "x"}, "answers": []}]}')
    with pytest.raises(BadInput, match=r"rules\.0\.when\.matchs"):
        read_script(tmp_path / "s.json")
