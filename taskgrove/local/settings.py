"""The settings of all services, read before any is started: a wrong one is told once, and not by a service that dies again and again."""

from collections.abc import Mapping

from pydantic_settings import BaseSettings

from services.approvals.settings import ApprovalsSettings
from services.checker.settings import CheckerSettings
from services.executor.settings import ExecutorSettings
from services.planner.settings import PlannerSettings
from services.sequencer.settings import SequencerSettings
from shared.models.settings import ModelSettings
from shared.settings import CommonSettings, read
from taskgrove.local.environment import environment

KINDS: tuple[type[BaseSettings], ...] = (
    CommonSettings,
    ModelSettings,
    PlannerSettings,
    SequencerSettings,
    ExecutorSettings,
    CheckerSettings,
    ApprovalsSettings,
)
OVERRULED = {
    "TASKGROVE_BROKER_URL": "amqp://127.0.0.1/",
    "TASKGROVE_STORE_URL": "mongodb://127.0.0.1/?replicaSet=rs0",
    "TASKGROVE_HTTP_PORT": "0",
}
"""What could be wrong in the environment and is not used: whoever runs it all sets it, or needs none. The values are any that are right."""


def check_settings(more: Mapping[str, str] | None = None) -> None:
    """Raises BadInput that names each variable which is wrong. `more`: what services are told besides the environment."""
    with environment({**OVERRULED, **(more or {})}):
        for kind in KINDS:
            read(kind)
