"""Programs that some tests need and that not every machine has: without one they skip, loudly; where all must be tested, they fail."""

import os
import shutil
from typing import NoReturn

import pytest

STRICT = "TASKGROVE_TEST_STRICT"
KUBECTL = shutil.which("kubectl")
with_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="NOT CHECKED: kubectl (1.27 or newer) is not on PATH: DEPLOY/K8S WAS NOT LOOKED AT"
)
"""In CI as well: not every Debian has one that is new enough, which scripts/install-test-tools and .ci/run say."""
HELP = {
    "chromium": "sudo apt-get install chromium, or set TASKGROVE_TEST_CHROMIUM to one",
    "node": "install nodejs (20.16 or newer) and npm, then run `make check-docs`",
    "prometheus": "sudo apt-get install prometheus",
    "promtool": "sudo apt-get install prometheus",
}


def needed(program: str) -> str:
    """Where the program is. Without it the test is skipped, or fails where TASKGROVE_TEST_STRICT is set, as in CI."""
    found = os.environ.get(f"TASKGROVE_TEST_{program.upper()}") or shutil.which(program)
    if found is None:
        lacking(f"{program} is missing; {HELP[program]}")
    return found


def lacking(what: str) -> NoReturn:
    """Something is not there that could be."""
    if os.environ.get(STRICT):
        pytest.fail(f"NOT CHECKED: {what} ({STRICT} is set: here it may not be skipped)", pytrace=False)
    pytest.skip(f"NOT CHECKED: {what}")
