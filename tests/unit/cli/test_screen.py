"""What is shown on terminals of any width."""

import pytest

from taskgrove.cli.approval_text import approval_row
from taskgrove.cli.screen import Screen
from tests.unit.cli.views import approval


@pytest.mark.parametrize("width", [100, 65, 40, 10])
def test_an_id_can_be_copied_however_narrow_the_terminal_is(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False)
    screen.console.width = width
    asked = approval("2.1", approvers=["release", "security"])
    screen.table(("id", "since", "kind", "asked", "question"), [approval_row(asked)])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("a47254d0.2.1:before:0  ") for line in lines), lines
