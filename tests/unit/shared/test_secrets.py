"""Secrets come from files, and what is wrong with one is said by its file and its variable, never by its value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.approvals.settings import ApprovalsSettings
from services.executor.settings import ExecutorSettings
from shared.errors import BadInput
from shared.settings import CommonSettings, read

BROKER = "amqp://taskgrove:broker-word@rabbitmq:5672/"
STORE = "mongodb://taskgrove:store-word@mongodb:27017/?replicaSet=rs0"


class KeySettings(BaseSettings):
    """Settings with a key, as the language models have."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_TEST_", extra="ignore", env_ignore_empty=True)

    api_key: SecretStr | None = Field(default=None, min_length=8)
    receiver: str | None = Field(default=None, validation_alias="TEST_RECEIVER", max_length=8)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory, with what is required."""
    for name in [name for name in os.environ if name.startswith("TASKGROVE_")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "taskgrove_broker_url").write_text(BROKER + "\n")
    (directory / "taskgrove_store_url").write_text(STORE + "\r\n")
    monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(directory))
    return directory


def refused(kind: type[BaseSettings] = CommonSettings) -> str:
    with pytest.raises(BadInput) as raised:
        read(kind)
    assert raised.value.__cause__ is None, "a cause may hold the value"
    return str(raised.value)


def test_files_are_read_and_the_newline_at_their_end_is_none_of_the_value(secrets: Path) -> None:
    settings = read(CommonSettings)
    assert (settings.broker_url, settings.store_url, settings.secrets_dir) == (BROKER, STORE, secrets)


def test_the_environment_comes_before_a_file_and_stands_in_for_one(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "taskgrove_store_url").unlink()
    monkeypatch.setenv("TASKGROVE_STORE_URL", "mongodb://elsewhere/")
    monkeypatch.setenv("TASKGROVE_BROKER_URL", "")
    settings = read(CommonSettings)
    assert (settings.broker_url, settings.store_url) == (BROKER, "mongodb://elsewhere/")


@pytest.mark.usefixtures("secrets")
def test_without_the_directory_the_defaults_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROVE_SECRETS_DIR")
    assert "127.0.0.1" in read(CommonSettings).store_url


def test_a_setting_that_names_a_file_gets_the_file_itself(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secrets / "taskgrove_approvals_bootstrap_keys"
    path.write_text('[{"key": "word"}]')
    assert read(ApprovalsSettings).bootstrap_keys == path
    monkeypatch.setenv("TASKGROVE_APPROVALS_BOOTSTRAP_KEYS", "/elsewhere")
    assert read(ApprovalsSettings).bootstrap_keys == Path("/elsewhere")


def test_secrets_work_and_artifacts_are_hidden_from_what_we_run(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_ARTIFACTS_URL", "file:///srv/all%20artifacts")
    assert read(CommonSettings).hidden("/a:/b") == [
        Path(p) for p in ("/var/lib/taskgrove/work", "/srv/all artifacts", str(secrets), "/a", "/b")
    ]
    monkeypatch.setenv("TASKGROVE_ARTIFACTS_URL", "s3://bucket/srv")
    assert read(CommonSettings).hidden("") == [Path("/var/lib/taskgrove/work"), secrets]


def test_settings_without_a_required_secret_need_no_file(secrets: Path) -> None:
    (secrets / "taskgrove_store_url").unlink()
    assert read(ExecutorSettings).lease_seconds == 15
    assert read(KeySettings).api_key is None


@pytest.mark.parametrize("content", [None, "", " \n"], ids=["missing", "empty", "blank"])
def test_a_required_secret_that_is_not_there_is_named(secrets: Path, content: str | None) -> None:
    path = secrets / "taskgrove_broker_url"
    path.unlink() if content is None else path.write_text(content)
    said = refused()
    assert str(path) in said
    assert "TASKGROVE_BROKER_URL" in said
    assert "store" not in said


def test_a_directory_that_is_missing_or_none_is_named(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, why in ((secrets / "none", "No such file or directory"), (secrets / "taskgrove_store_url", "Not a directory")):
        monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(path))
        assert f"TASKGROVE_SECRETS_DIR={path}: {why}" in refused()


def test_a_file_that_cannot_be_used_is_named(secrets: Path) -> None:
    path = secrets / "taskgrove_broker_url"
    path.unlink()
    path.mkdir()
    assert "Is a directory" in refused()
    path.rmdir()
    path.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refused()
    path.unlink()
    path.symlink_to(secrets / "gone")
    assert "leads nowhere" in refused()
    for said in (refused(), refused()):
        assert str(path) in said
        assert "TASKGROVE_BROKER_URL" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all files; tests/containers shows this as a user without rights")
def test_a_file_that_may_not_be_read_is_named(secrets: Path) -> None:
    path = secrets / "taskgrove_broker_url"
    path.chmod(0)
    said = refused()
    assert f"{path} cannot be read by user {os.geteuid()}" in said
    assert "TASKGROVE_BROKER_URL" in said


def test_links_as_kubernetes_lays_them_are_followed_and_links_out_of_the_directory_are_not(secrets: Path, tmp_path: Path) -> None:
    data = secrets / "..2026"
    data.mkdir()
    for name in ("taskgrove_broker_url", "taskgrove_store_url"):
        (secrets / name).rename(data / name)
        (secrets / name).symlink_to(Path("..data") / name)
    (secrets / "..data").symlink_to("..2026")
    assert read(CommonSettings).broker_url == BROKER
    (secrets / "taskgrove_broker_url").unlink()
    (tmp_path / "outside").write_text(BROKER)
    (secrets / "taskgrove_broker_url").symlink_to(tmp_path / "outside")
    said = refused()
    assert "a link out of its directory; TASKGROVE_BROKER_URL" in said
    assert "broker-word" not in said


def test_a_wrong_value_is_shown_only_where_it_is_no_secret(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "taskgrove_test_api_key").write_text("word")
    said = refused(KeySettings)
    assert f"TASKGROVE_TEST_API_KEY (from {secrets / 'taskgrove_test_api_key'}): " in said
    assert "word" not in said
    monkeypatch.setenv("TASKGROVE_TEST_API_KEY", "hidden")
    said = refused(KeySettings)
    assert said.startswith("TASKGROVE_TEST_API_KEY: ")
    assert "hidden" not in said
    monkeypatch.delenv("TASKGROVE_SECRETS_DIR")
    assert "hidden" not in refused(KeySettings)
    monkeypatch.delenv("TASKGROVE_TEST_API_KEY")
    monkeypatch.setenv("TEST_RECEIVER", "http://far-away/")
    assert refused(KeySettings).startswith("TEST_RECEIVER=http://far-away/: ")


@pytest.mark.skipif(sys.platform != "linux", reason="PROCESSES CAN BE CLOSED TO OTHERS ON LINUX ONLY")
def test_a_service_is_closed_to_other_processes_of_its_user() -> None:
    look = "ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)"  # PR_GET_DUMPABLE
    code = f"import ctypes; from shared.secrets import close_to_others; print({look}); close_to_others(); print({look})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["1", "0"]
