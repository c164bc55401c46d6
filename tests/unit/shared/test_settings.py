"""A setting that is wrong is named as the person who set it knows it."""

import pytest

from services.executor.settings import ExecutorSettings
from shared.errors import BadInput, NotesError
from shared.settings import CommonSettings, read


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_SWEEP_SECONDS", "2")
    assert read(CommonSettings).sweep_seconds == 2


def test_every_wrong_setting_is_named_with_what_it_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_EXECUTOR_LEASE_SECONDS", "0")
    monkeypatch.setenv("TASKGROVE_EXECUTOR_NETWORK", "perhaps")
    with pytest.raises(BadInput, match=r"TASKGROVE_EXECUTOR_LEASE_SECONDS=0: .*; TASKGROVE_EXECUTOR_NETWORK=perhaps: .*mend it"):
        read(ExecutorSettings)


def test_of_very_many_problems_the_first_are_shown() -> None:
    error = NotesError([f"problem {number}" for number in range(1_000)])
    assert len(error.problems) == 1_000
    assert str(error).splitlines()[-1] == "… and 900 more; mend these first"
