"""Whatever text comes, the planner answers with a sound plan or says what is wrong."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.planner import domain
from services.planner.lint import lint
from services.planner.planners import planner_named
from shared.contracts.plan import Plan
from shared.errors import TaskgroveError
from tests.unit.planner.samples import request

PIECES = [
    "# ", "## ", "### ", "A", "B", "B", "C: d", "\n", "\n", "\n\n", "- ", "* ", "1. ", "2) ", "  ", "    ", "\t", "> ", "---\n",
    "===\n", "```sh\n", "```\n", "~~~python\n", "```json\n", "`", "**", "check: ", "check-file: a min 1", "check-schema: data: {}",
    "after: A", "after: B, C", "integration: yes", "agent: human", "agent: python", "call: x", "args: {", "}", "question: q",
    "approval: before, by x", "timeout: 1s", "chek: x", "[a]: b\n", "<!-- ", "-->", "<b>", "\r", "\u0000", "\u2028", "\ufeff", "\u00e9",
    "|a|b|\n|-|-|\n",
]  # fmt: skip
CHUNKS = [
    "## A\n- timeout: 1s\n\n```sh\nx\n```\n",
    "## B\n- check: x\n\n    ```sh\n    x\n    ```\n",
    "## C\nText.\n### D\n- agent: human\n",
    "### E\nText.\n\n```sh\nx\n```\n",
    "## F\n- after: A, C\n\n```sh\nx\n```\n",
    "## J\n- integration: yes\n- agent: human\n",
    "## K\n- integration: yes\n- after: B\n\n```python\nx\n```\n",
    "1. One\n   - agent: human\n2. Two\n   1. Three\n      ```sh\n      x\n      ```\n",
    "- Four\n  - agent: python\n  - call: x\n",
    "- text\n",
    "Prose.\n\n",
]
NOTES = st.lists(st.sampled_from(CHUNKS), max_size=8, unique=True).map("".join)
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def attempt(*texts: str, planner: str, prompt: str = "") -> Plan | None:
    """The plan, or None where it was refused on purpose."""
    try:
        return planner_named(planner).plan(request(*texts, prompt=prompt))
    except TaskgroveError:
        return None


def sound(plan: Plan | None) -> bool:
    """Nothing to plan, or a plan that the linter lets through and that survives being written and read."""
    if plan is None:
        return True
    errors = [finding for finding in lint(plan) if finding.severity == "error"]
    return not errors and Plan.model_validate(plan.wire()) == plan and len(domain.digest(plan)) == 64


@given(st.lists(NOTES | MARKDOWN | st.text(max_size=200), min_size=1, max_size=3), st.text(max_size=20))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_outline_never_raises_anything_else(texts: list[str], prompt: str) -> None:
    assert sound(attempt(*texts, planner="outline", prompt=prompt))


@given(NOTES)
@settings(max_examples=300, deadline=None)
def test_a_plan_of_the_outline_can_be_imported_again(text: str) -> None:
    plan = attempt(f"# Run\n{text}", planner="outline")
    if plan is not None:
        assert sound(plan)
        assert attempt(json.dumps(plan.wire()), planner="import") == plan.model_copy(update={"planner": "import"})


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_import_never_raises_anything_else(text: str) -> None:
    assert sound(attempt(text, planner="import"))


@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize("wanted", ["front", "heading", "key", "minimum", "approvers"])
def test_very_many_blanks_hold_up_nobody(wanted: str, blank: str) -> None:
    """An expression that tries again at each blank takes hours for these, and no thread of the planner goes on meanwhile."""
    many = blank * 500_000
    text = {
        "front": f"---\ntitle: a{many}b\npriority: 1{many}b\n---\n# A\n\nText.\n",
        "heading": f"# a{many}b\n\nText.\n",
        "key": f"# A\n\n- description: a{many}b\n- check: a{many}b\n",
        "minimum": f"# A\n\n- check-file: a{many}min{many}b\n",
        "approvers": f"# A\n\n- approval: before, by a{many}b{many}or c\n",
    }[wanted]
    program = "import sys\nfrom tests.unit.planner.test_outline_anything import attempt\nattempt(sys.stdin.read(), planner='outline')"
    # It would not let a timer of this process fire either.
    subprocess.run([sys.executable, "-c", program], input=text, text=True, check=True, timeout=60)
