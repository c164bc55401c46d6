"""docker-compose.yml gives each service a user of its own, from files that scripts/compose-secrets makes; and each rule can fail."""

import copy
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from shared.messaging.definitions import ADMIN, PUBLISHER, read_users
from shared.storage.prepare import read_urls
from tests.deploy import rules_compose as rules
from tests.deploy.rules_users import password_of
from tests.deploy.world import ROOT, SERVICES, Object

COMPOSE: Object = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
Rule = Callable[[Object], Iterator[str]]
RULES: tuple[Rule, ...] = (rules.own_urls, rules.all_urls, rules.own_files, rules.no_master, rules.slots)
CHECKERS = {"source": "checker_store_url", "target": "taskgrove_store_url"}


def services(compose: Object, name: str) -> Object:
    """A service of docker-compose.yml, to be changed in place."""
    found: Object = compose["services"][name]
    return found


MUTANTS: list[tuple[Rule, str, Callable[[Object], object]]] = [
    (rules.own_urls, "two share a URL", lambda c: services(c, "executor")["secrets"].__setitem__(1, CHECKERS)),
    (rules.own_urls, "one URL too many", lambda c: services(c, "executor")["secrets"].append("checker_store_url")),
    (rules.own_urls, "an unread name", lambda c: services(c, "executor")["secrets"].__setitem__(0, "executor_broker_url")),
    (rules.own_files, "two files are one", lambda c: c["secrets"].update(executor_store_url=c["secrets"]["checker_store_url"])),
    (rules.all_urls, "the broker lacks one", lambda c: services(c, "rabbitmq-prepare")["secrets"].pop()),
    (rules.all_urls, "the store lacks one", lambda c: services(c, "mongodb-prepare")["secrets"].pop()),
    (rules.all_urls, "an upgrade is not loaded", lambda c: services(c, "rabbitmq")["depends_on"]["rabbitmq-prepare"].pop("restart")),
    (rules.all_urls, "no user yet", lambda c: services(c, "planner")["depends_on"].pop("mongodb-prepare")),
    (rules.no_master, "one for all", lambda c: services(c, "rabbitmq").update(environment={"RABBITMQ_DEFAULT_USER": "taskgrove"})),
    (rules.no_master, "guest", lambda c: services(c, "rabbitmq")["volumes"].pop()),
    (rules.slots, "the host's processors", lambda c: services(c, "executor")["environment"].pop("TASKGROVE_EXECUTOR_PROCESS_SLOTS")),
    (rules.slots, "as much memory as it has", lambda c: services(c, "checker")["deploy"]["resources"]["limits"].update(memory="1536m")),
    (rules.no_master, "root everywhere", lambda c: services(c, "planner").update(env_file=["./secrets/mongodb.env"])),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_holds(rule: Rule) -> None:
    assert list(rule(COMPOSE)) == []


@pytest.mark.parametrize(("rule", "what", "broken"), MUTANTS, ids=[what for _, what, _ in MUTANTS])
def test_it_is_noticed(rule: Rule, what: str, broken: Callable[[Object], object]) -> None:
    compose = copy.deepcopy(COMPOSE)
    broken(compose)
    assert list(rule(compose)) != [], what


def test_rabbitmq_is_told_where_the_definitions_are() -> None:
    """The file that it mounts says the place where the volume is that rabbitmq-prepare writes."""
    mounts = [volume.split(":") for volume in services(COMPOSE, "rabbitmq")["volumes"]]
    [conf] = [source for source, target, *_ in mounts if target.startswith("/etc/rabbitmq/conf.d/")]
    [(volume, folder)] = [(source, target) for source, target, *_ in mounts if "definitions" in source]
    prepare = services(COMPOSE, "rabbitmq-prepare")
    [place] = re.findall(r"^load_definitions = (\S+)$", (ROOT / conf).read_text(), re.MULTILINE)
    written = re.findall(r"mv \S+ work/(\S+)$", prepare["entrypoint"][-1])
    assert [f"{folder}/{name}" for name in written] == [place]
    assert prepare["volumes"] == [f"{volume}:/var/lib/taskgrove/work"]
    assert prepare["network_mode"] == "none"


def make(directory: Path) -> str:
    """`make compose-secrets` on a machine with no more than the basics; what it says."""
    script = str(ROOT / "scripts/compose-secrets")
    done = subprocess.run(["bash", script, str(directory)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    return done.stderr


def test_secrets_are_what_the_programs_and_compose_take(tmp_path: Path) -> None:
    make(tmp_path)
    names = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert names | {"mongodb.env", "admin_key"} == {path.name for path in tmp_path.iterdir()}
    passwords = [*read_users(tmp_path).values(), *map(password_of, read_urls(tmp_path).values())]
    assert set(read_users(tmp_path)) == {*SERVICES, PUBLISHER, ADMIN}
    assert len(set(passwords)) == len(passwords) == 2 * len(SERVICES) + 2
    assert all(len(password) == 48 for password in passwords)


def test_secrets_are_for_their_owner_and_the_containers(tmp_path: Path) -> None:
    make(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o444}


def test_secrets_that_are_there_stay_and_missing_ones_are_made(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "planner_store_url").unlink()
    assert "docker compose up" in make(tmp_path)
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"planner_store_url"}


def test_a_directory_from_before_gets_users_and_a_word(tmp_path: Path) -> None:
    old = {"rabbitmq.env": "RABBITMQ_DEFAULT_USER=taskgrove\n", "taskgrove_broker_url": "amqp://taskgrove:old@rabbitmq:5672/"}
    old |= {"mongodb.env": "MONGO_INITDB_ROOT_USERNAME=root\nMONGO_INITDB_ROOT_PASSWORD=old\n"}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    said = make(tmp_path)
    assert "Nothing reads them any more" in said
    assert "old" not in said.replace(str(tmp_path), "")
    assert {name: (tmp_path / name).read_text() for name in old} == old
    assert set(read_urls(tmp_path)) == set(SERVICES)
    assert "Nothing reads" not in make(tmp_path / "new")
