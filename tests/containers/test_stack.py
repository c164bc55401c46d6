"""The five services in containers: they finish what was begun although containers are killed, and have no more rights than they need."""

import json
import re
import time
from typing import Any

import httpx2
import pytest

from tests.containers.stack import SERVICES, Stack, run, timed, until

pytestmark = pytest.mark.containers

NOTES = """# Walk through containers

{parts}
## Publish
- after: {names}
- approval: before
- integration: yes
- check: test "$(wc -l < all.txt)" -eq {count}

```sh
cat inputs/*/part.txt > all.txt
```
"""
PART = """## Part {number}
- check: grep -q 'part {number}' part.txt
- retries: 3

```sh
sleep 4
echo "part {number}" > part.txt
```
"""
PEEK = """# Peek
## Look around
- check-file: seen.txt
- integration: yes

```sh
{ id -u; ls /run/secrets; ls -A /var/lib/taskgrove/artifacts; timeout 2 bash -c '</dev/tcp/mongodb/27017' && echo reached; } > seen.txt 2>&1
touch /opt/new 2>> seen.txt || true
cat seen.txt
```
"""
COUNT = 12


def notes_of(count: int) -> str:
    """Notes with so many tasks side by side, and one after them that waits for a person."""
    parts, names = (PART.format(number=number) for number in range(count)), (f"Part {number}" for number in range(count))
    return NOTES.format(parts="\n".join(parts), names=", ".join(names), count=count)


def tasks(stack: Stack) -> list[dict[str, Any]]:
    """All tasks of the newest run, flat."""

    def flat(task: dict[str, Any]) -> list[dict[str, Any]]:
        return [task, *(below for child in task.get("children") or () for below in flat(child))]

    return flat(json.loads(stack.cli("status", "last", "--json")))


def done(stack: Stack) -> int:
    """How many tasks of the newest run are verified."""
    return sum(task["phase"] == "completed" for task in tasks(stack))


def amid(stack: Stack) -> bool:
    """Whether one task of the newest run is verified while others run."""
    return {"completed", "running"} <= {task["phase"] for task in tasks(stack)}


def test_a_run_is_finished_although_executor_and_sequencer_are_killed(stack: Stack) -> None:
    notes = stack.directory / "notes.md"
    notes.write_text(notes_of(COUNT))
    with timed("the run, with two kills,"):
        running = stack.spawn("run", "--notes", str(notes), "--approve-as", "demo", "--out", str(stack.directory / "results"))
        try:
            until(lambda: "runId" in stack.cli("status", "--json"), seconds=30, what="the run begins")
            until(lambda: amid(stack), seconds=60, what="one task is verified and others run")
            stack.kill("executor")
            stack.compose("start", "executor")
            before = done(stack)
            until(lambda: done(stack) > before, seconds=90, what="the executor goes on")
            stack.kill("sequencer")
            time.sleep(1)
            stack.compose("start", "sequencer")
            out, err = running.communicate(timeout=180)
        finally:
            running.kill()
    assert running.returncode == 0, out + err
    assert f"{COUNT + 1} of {COUNT + 1} tasks verified" in out
    assert len((stack.directory / "results/all.txt").read_text().splitlines()) == COUNT
    stack.cli("export", "last", "--output", str(stack.directory / "run.json"))
    attempts = json.loads((stack.directory / "run.json").read_text())["slices"]["attempts"]
    assert len(attempts) > COUNT + 1, "the executor was killed between two tasks: nothing had to be begun again"


def test_a_process_that_dies_is_started_again(stack: Stack) -> None:
    stack.crash("checker")
    until(lambda: stack.container("checker")["RestartCount"], seconds=30, what="the engine starts the checker again")
    until(lambda: stack.is_healthy("checker"), seconds=60, what="the checker is ready")


def test_what_was_kept_is_there_after_down_and_up(stack: Stack) -> None:
    before = [task["taskId"] for task in tasks(stack)]
    stack.compose("down", "--timeout", "10")
    stack.up()
    assert [task["taskId"] for task in tasks(stack)] == before


def test_not_ready_is_unhealthy_and_names_what_is_missing(stack: Stack) -> None:
    stack.compose("stop", "--timeout", "5", "rabbitmq")
    try:
        for service in SERVICES:
            until(lambda service=service: not stack.is_healthy(service), seconds=60, what=f"{service} is unhealthy without its broker")
            assert '"missing":["broker"]' in "".join(entry["Output"] for entry in stack.container(service)["State"]["Health"]["Log"])
    finally:
        stack.compose("start", "rabbitmq")
    until(lambda: all(stack.is_healthy(service) for service in SERVICES), seconds=120, what="all are ready again")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(stack: Stack, service: str) -> None:
    container = stack.container(service)
    host = container["HostConfig"]
    assert container["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert not host["Privileged"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    words = [line.partition("=")[2] for line in (stack.secrets / "mongodb.env").read_text().splitlines()]
    words += [path.read_text() for path in stack.secrets.iterdir() if path.suffix != ".env" and path.read_text()]
    shown = json.dumps(container["Config"])
    assert [word for word in words[1:] if word in shown] == [], "a secret stands in the environment"


def test_only_the_api_is_published_and_on_loopback(stack: Stack) -> None:
    published = {
        service: [
            (one["HostIp"], one["HostPort"])
            for bound in (stack.container(service)["NetworkSettings"]["Ports"] or {}).values()
            for one in bound or ()
        ]
        for service in (*SERVICES, "rabbitmq", "mongodb")
    }
    assert {service: ports for service, ports in published.items() if ports} == {"approvals": [("127.0.0.1", str(stack.port))]}


def test_the_dashboard_comes_with_all_that_its_pages_load(stack: Stack) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{stack.port}", follow_redirects=True, timeout=10, trust_env=False) as http:
        page = http.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert loaded
        assert {path: http.get(path).status_code for path in loaded} == dict.fromkeys(loaded, 200)


def test_a_task_sees_neither_secrets_nor_other_runs_nor_the_network(stack: Stack) -> None:
    notes = stack.directory / "peek.md"
    notes.write_text(PEEK)
    stack.cli("run", "--notes", str(notes), "--out", str(stack.directory / "peek"))
    look = next(task for task in tasks(stack) if task["title"] == "Look around")
    level = look["result"]["data"]["sandbox"]
    seen = (stack.directory / "peek/seen.txt").read_text()
    assert "10001" in seen.splitlines()
    assert "Read-only file system" in seen
    if level != "bubblewrap":
        pytest.skip(f"THE SANDBOX IN CONTAINERS IS ONLY {level} ON THIS HOST: tasks see the executor's secrets and network")
    assert "taskgrove_store_url" not in seen
    assert "reached" not in seen
    assert re.search(r"^sha256$", seen, re.MULTILINE) is None


def test_services_may_use_their_database_and_nothing_else(stack: Stack) -> None:
    asked = """
import os
from pymongo import MongoClient
client = MongoClient(open("/run/secrets/taskgrove_store_url").read())
client.taskgrove.tasks.find_one()
for what in (client.admin.system.users.find_one, lambda: client.other.things.insert_one({}), client.list_database_names):
    try:
        print("found", what())
    except Exception as error:
        print(type(error).__name__, getattr(error, "code", ""))
"""
    said = stack.compose("exec", "--no-TTY", "sequencer", "/opt/taskgrove/bin/python", "-c", asked)
    assert said.split("\n")[:2] == ["OperationFailure 13"] * 2
    assert "admin" not in said


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = {service: stack.container(service)["Id"] for service in SERVICES}
    stack.up()
    assert {service: stack.container(service)["Id"] for service in SERVICES} == before


def test_secrets_are_made_once(stack: Stack) -> None:
    before = {path.name: path.read_text() for path in stack.secrets.iterdir()}
    run(["scripts/compose-secrets", str(stack.secrets)])
    assert {path.name: path.read_text() for path in stack.secrets.iterdir()} == before
