"""How hard properties are tried: `make test` a little, `--hypothesis-profile=thorough` for long."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile("quick", max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=QUIET)
settings.register_profile("thorough", max_examples=1_000, stateful_step_count=50, deadline=None, suppress_health_check=QUIET)
if settings.get_current_profile_name() == "default":
    settings.load_profile("quick")


@pytest.fixture(autouse=True, scope="package")
def silent() -> Iterator[None]:
    """Thousands of steps say what nobody reads."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
