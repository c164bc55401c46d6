"""Settings that are read before anything is started."""

from pathlib import Path

import pytest

from scripts.docs.settings import all_settings
from shared.errors import BadInput
from taskgrove.local.settings import KINDS, check_settings


def test_the_settings_of_every_service_are_read() -> None:
    assert set(KINDS) == {kind for _, kind in all_settings()}


def test_what_services_are_told_besides_counts_and_what_is_set_for_them_cannot_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_HTTP_PORT", "nonsense")
    monkeypatch.setenv("TASKGROVE_BROKER_URL", "nonsense")
    check_settings()
    with pytest.raises(BadInput, match="TASKGROVE_CHECKER_LEASE_SECONDS=nonsense"):
        check_settings({"TASKGROVE_CHECKER_LEASE_SECONDS": "nonsense"})


def test_secrets_as_files_need_not_hold_what_is_set_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key for a model may be a file; where the store is, `up` and `run` say themselves."""
    monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(tmp_path))
    check_settings()
