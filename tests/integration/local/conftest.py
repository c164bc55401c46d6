"""What the tests of the local runner share: services that are not the real ones."""

import sys
from pathlib import Path

import pytest

from taskgrove.local.supervisor import SERVICES

FAKE = Path(__file__).with_name("fake_service.py")


@pytest.fixture(scope="session")
def fake_commands() -> dict[str, list[str]]:
    """Five services that come up in no time."""
    return {name: [sys.executable, str(FAKE), name] for name in SERVICES}
