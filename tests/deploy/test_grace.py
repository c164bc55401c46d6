"""Who ends a service waits for longer than its end takes at most, wherever it runs."""

import yaml

from shared.service import HANGS_SECONDS, LAST_SECONDS, SERVER_SECONDS
from shared.settings import CommonSettings
from shared.storage.leases import HAND_BACK_SECONDS
from shared.storage.mongo import CLOSE_SECONDS
from taskgrove.local.service import DRAIN_SECONDS
from taskgrove.local.supervisor import SERVICES
from tests.deploy.world import ROOT

DRAIN = CommonSettings().drain_seconds
AFTER = max(SERVER_SECONDS, HAND_BACK_SECONDS) + LAST_SECONDS + CLOSE_SECONDS + HANGS_SECONDS
"""Only one service serves requests that take long, and it hands nothing back."""


def test_the_local_runner_waits() -> None:
    assert DRAIN + AFTER < DRAIN_SECONDS


def test_compose_waits() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name in SERVICES:
        grace, drain = services[name].get("stop_grace_period", "10s"), services[name]["environment"].get("TASKGROVE_DRAIN_SECONDS", DRAIN)
        assert float(drain) + AFTER < float(grace.removesuffix("s")), name


def test_what_the_rule_for_kubernetes_reckons_with_is_enough() -> None:
    assert AFTER <= 2 * SERVER_SECONDS
