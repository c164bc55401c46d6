"""A real Prometheus watches the running services: every query of the dashboard, and every figure that an alert asks for, is there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx2
import pytest

from shared.messaging.rabbit import RabbitBroker
from shared.messaging.topology import queues
from taskgrove.local.home import throw_away_home
from taskgrove.local.parts import Program, find_rabbitmq
from taskgrove.scripted import Script, scripted
from tests.e2e.grove import Grove, until
from tests.e2e.prometheus import Prometheus, prometheus, seen_rabbit
from tests.house.sources import SERVICES
from tests.house.test_observability import alerts, named, promtool, queries, rules
from tests.needs import needed

RATE = "30s"
SECONDS = 60.0
"""What was seen longer ago than this was before the runs."""
SAMPLED = 6
"""Gauges whose figures stand in the store may be as old as this many seconds."""

NOTES = """# Watched
## Retried
- agent: python
- call: second_try
- retries: 1
- check-schema: data: {"required": ["attempt"]}

## Fails at once
- retries: 0
- on-failure: continue

```sh
exit 3
```

## Parent
- after: Retried

### Left
- check-file: left.txt

```sh
echo left > left.txt
```

### Right
- check-contains: summary: right

```sh
echo right
```

## Published
- after: Parent
- approval: before

```sh
echo published
```
"""
THINKS = {
    "rules": [
        {
            "when": {"tool": "done"},
            "turns": [
                {"calls": [{"name": "write_file", "arguments": {"path": "year.txt", "content": "the year is 2001\n"}}]},
                {"calls": [{"name": "done", "arguments": {"summary": "wrote the year"}}]},
            ],
        },
        {"when": {"schema": "judgement"}, "answers": [{"json": {"reasons": ["it does"], "quotes": [], "passed": True}}]},
    ]
}
TASK = {
    "key": "a",
    "title": "Think",
    "agent": "model",
    "inputs": {"instructions": "Write the year."},
    "checks": [{"kind": "file", "path": "year.txt"}],
}
PRICES = {"TASKGROVE_MODEL_USD_PER_MILLION_PROMPT_TOKENS": "1", "TASKGROVE_MODEL_USD_PER_MILLION_COMPLETION_TOKENS": "2"}


@pytest.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Grove, dict[str, int]]]:
    """A Taskgrove with a model, and where its figures are; those of RabbitMQ from a second node, which has our queues."""
    for program in ("prometheus", "promtool"):
        needed(program)
    part = find_rabbitmq()
    if not isinstance(part, Program):
        pytest.skip("NOT CHECKED: no rabbitmq-server on this machine that shows its figures")
    async with AsyncExitStack() as closing:
        model = closing.enter_context(scripted(Script.model_validate(THINKS)))
        grove = Grove(throw_away_home(), {**model.environment, **PRICES})
        rabbit = seen_rabbit(part, tmp_path_factory.mktemp("rabbit"))
        (url, port), _ = await asyncio.gather(closing.enter_async_context(rabbit), grove.up())
        closing.push_async_callback(grove.down)
        broker = RabbitBroker(url, name="watched")
        await broker.start(queues())
        closing.push_async_callback(broker.stop)
        yield grove, {**grove.state.ports, "rabbitmq": port}


@pytest.fixture(scope="module")
async def seen(watched: tuple[Grove, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    """Prometheus after it has watched two runs: with a retry, a failure, a parent, an approval, and a model at work."""
    grove, ports = watched
    async with prometheus(tmp_path_factory.mktemp("prometheus"), ports) as seen:
        await asyncio.sleep(2)  # a rate needs two scrapes before what it counts
        async with grove.http() as http:
            await work(http)
        await asyncio.sleep(2)
        yield seen


async def work(http: httpx2.AsyncClient) -> None:
    """Submit both runs, answer what is asked once it was seen to wait, and come back when they are over."""
    runs = [
        await submitted(http, "watched.md", NOTES, planner="outline"),
        await submitted(http, "plan.json", json.dumps({"title": "Thinks", "tasks": [TASK]}), planner="import"),
    ]
    asked = (await until(lambda: _pending(http), what="the approval"))[0]
    for _ in range(SAMPLED):  # one question a scrape: a route that was asked within one scrape alone has no rate
        await asyncio.sleep(1)
        await _pending(http)
    answer = await http.post("/approvals", json={"approvalId": asked["approvalId"], "decision": "approve"})
    assert answer.status_code == 200, answer.text
    ended = [await until(partial(_ended, http, run), what=f"the end of {run}") for run in runs]
    assert ended == ["Failed", "Completed"]  # a run of which one task was not done has failed


async def submitted(http: httpx2.AsyncClient, name: str, text: str, *, planner: str) -> str:
    body = {"notes": [{"name": name, "text": text}], "options": {"planner": planner}}
    answer = await http.post("/tasks", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["taskId"])


async def _pending(http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    return list((await http.get("/approvals")).json()["items"])


async def _ended(http: httpx2.AsyncClient, run: str) -> str | None:
    status = str((await http.get(f"/tasks/{run}")).json()["status"])
    return status if status in ("Failed", "Completed") else None


async def test_every_query_of_the_dashboard_brings_figures(seen: Prometheus) -> None:
    asked = {query: query.replace("$__rate_interval", RATE) for query in queries()}
    empty = [query for query, now in asked.items() if not await seen.series(now, seconds=SECONDS)]
    assert empty == [], "\n".join(empty)


async def test_every_figure_that_an_alert_asks_for_is_there(seen: Prometheus) -> None:
    made = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    asked = {name for alert in alerts() for name in named(alert["expr"])}
    assert sorted(asked & made.keys()) == sorted(made)
    asked = asked - made.keys() | {name for expression in made.values() for name in named(expression)}
    assert [name for name in sorted(asked) if not await seen.series(name, seconds=SECONDS)] == []


async def test_nobody_is_called_about_a_healthy_run(seen: Prometheus) -> None:
    found = await seen.get("query", query='ALERTS{alertstate="firing"}')
    assert [series["metric"]["alertname"] for series in found["result"]] == []


async def test_what_happened_is_what_was_counted(seen: Prometheus) -> None:
    async def counted(expression: str) -> float:
        found = await seen.get("query", query=expression)
        return float(found["result"][0]["value"][1])

    assert await counted('sum(taskgrove_attempts_total{agent="python", outcome="failed"})') == 1
    assert await counted('sum(taskgrove_attempts_total{agent="shell", outcome="failed"})') == 1
    assert await counted('sum(taskgrove_verdicts_total{judgement="failed"})') == 3
    assert await counted('sum(taskgrove_task_moves_total{phase="failed"})') == 2
    assert await counted('sum(taskgrove_task_moves_total{phase="retrying"})') == 1
    assert await counted('sum(taskgrove_approvals_decided_total{decision="approve"})') == 1
    assert await counted('max_over_time(taskgrove_approvals_waiting{kind="checkpoint"}[2m])') == 1
    assert await counted("max_over_time(taskgrove_runs[2m])") >= 1
    assert await counted("sum(taskgrove_model_usd_total)") > 0
    assert await counted("sum(taskgrove_sweep_rescued_total)") == 0
    assert await counted("sum(taskgrove_quarantined_total)") == 0


@pytest.mark.parametrize("service", SERVICES)
async def test_what_a_service_serves_keeps_the_rules(watched: tuple[Grove, dict[str, int]], seen: Prometheus, service: str) -> None:
    assert await seen.scraped()
    async with httpx2.AsyncClient(trust_env=False) as http:
        served = (await http.get(f"http://127.0.0.1:{watched[1][service]}/metrics")).text
    assert "_created" not in served
    promtool("check", "metrics", given=served)
