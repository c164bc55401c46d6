"""What RabbitMQ is given: users who may hear their queue and say their events, with passwords that it can check and nobody can read."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.errors import BadInput
from shared.messaging import definitions as program
from shared.messaging.definitions import ADMIN, PUBLISHER, SERVICES, definitions, read_users
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, events, own_queues, queues

USERS = (*SERVICES, PUBLISHER, ADMIN)
PASSWORDS = {user: f"word of {user}" for user in USERS}


def is_hash_of(password: str, hashed: str) -> bool:
    """As RabbitMQ does it: four bytes of salt, then SHA-256 of salt and password."""
    raw = base64.b64decode(hashed)
    return hashlib.sha256(raw[:4] + password.encode()).digest() == raw[4:]


def of(user: str, part: str) -> list[dict[str, Any]]:
    return [one for one in definitions(PASSWORDS)[part] if one["user"] == user]


def may(user: str, right: str, what: str) -> bool:
    [permissions] = of(user, "permissions")
    return re.search(permissions[right], what) is not None


def may_on_topic(user: str, right: str, key: str, *, exchange: str = EXCHANGE) -> bool:
    """Where a user has no topic permissions for an exchange, it may all of it."""
    found = [one for one in of(user, "topic_permissions") if one["exchange"] == exchange]
    return all(re.search(one[right], key) for one in found)


def write(directory: Path, *, leave_out: tuple[str, ...] = (), **other: str) -> Path:
    for user in USERS:
        if user not in leave_out:
            url = other.get(user, f"amqp://{user}:{user}%2Fword@rabbitmq:5672/\n")
            (directory / f"{user}_broker_url").write_text(url, encoding="utf-8")
    return directory


def test_the_check_of_a_hash_is_that_of_the_broker() -> None:
    """https://www.rabbitmq.com/docs/passwords#computing-password-hash has this example."""
    assert is_hash_of("test12", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")


def test_a_password_is_checked_and_not_told() -> None:
    document = definitions(PASSWORDS)
    hashes = {one["name"]: one["password_hash"] for one in document["users"]}
    assert all(is_hash_of(PASSWORDS[user], hashes[user]) for user in USERS)
    assert len(set(hashes.values())) == len(USERS)
    assert not any(word in json.dumps(document) for word in PASSWORDS.values())


def test_the_same_passwords_give_the_same_document() -> None:
    assert json.dumps(definitions(PASSWORDS)) == json.dumps(definitions(PASSWORDS))
    assert definitions(PASSWORDS) != definitions({**PASSWORDS, "planner": "another"})


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_declares_and_reads_its_own_queues(service: str) -> None:
    for name in [*(queue.name for queue in queues()), "another", f"{own_queues(service)[0]}.more"]:
        for right in ("configure", "read", "write"):
            assert may(service, right, name) == (name in own_queues(service)), (right, name)
    assert not may(service, "configure", EXCHANGE)
    assert may(service, "write", DEAD_EXCHANGE), "its queue's dead letters go there"
    assert may(service, "read", DEAD_EXCHANGE) == (service == "approvals")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_its_own_events_and_binds_those_that_it_hears(service: str) -> None:
    for event in events():
        assert may_on_topic(service, "write", event.name) == (service in ("approvals", event.said_by)), event.name
        assert may_on_topic(service, "read", event.name) == (service in event.heard_by), event.name
        assert not may_on_topic(service, "write", event.name, exchange=DEAD_EXCHANGE), event.name


def test_a_publisher_starts_runs_and_hears_nothing() -> None:
    assert [event.name for event in events() if may_on_topic(PUBLISHER, "write", event.name)] == ["task.submitted"]
    assert not any(may(PUBLISHER, right, queue.name) for right in ("configure", "read", "write") for queue in queues())


def test_users_come_from_the_files_of_a_directory(tmp_path: Path) -> None:
    assert read_users(write(tmp_path)) == {user: f"{user}/word" for user in USERS}


def test_who_looks_after_it_and_who_starts_runs_need_not_be_there(tmp_path: Path) -> None:
    assert set(read_users(write(tmp_path, leave_out=(ADMIN, PUBLISHER)))) == set(SERVICES)


def test_a_missing_service_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"checker_broker_url: No such file .*each service needs an amqp:// URL with its own user"):
        read_users(write(tmp_path, leave_out=("checker",)))


@pytest.mark.parametrize(
    "url", ["amqp://planner:secret@h/", "amqp://checker@h/", "amqp://h/", "", "checker:secret", "amqp://checker:secret@[h/"]
)
def test_a_url_that_is_not_the_users_own_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match=r"checker_broker_url must have the user checker and a password") as raised:
        read_users(write(tmp_path, checker=url))
    assert "secret" not in str(raised.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "admin_broker_url").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"admin_broker_url must have the user admin"):
        read_users(tmp_path)


def test_the_program_prints_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(write(tmp_path)))
    program.main()
    assert json.loads(capsys.readouterr().out) == definitions(read_users(tmp_path))


def test_the_program_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROVE_SECRETS_DIR", raising=False)
    with pytest.raises(SystemExit, match="definitions: TASKGROVE_SECRETS_DIR is not set"):
        program.main()
