"""A question to people, as a person reads it."""

import json
from collections.abc import Iterator
from textwrap import indent
from typing import Any

from rich.text import Text

from shared.contracts.views import ApprovalView
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import clean, clock_time, last_lines, short

MOST_LINES = 12
NEEDS = {"answer": "--comment '…'", "take_over": "--result '…'"}
KINDS = {"checkpoint": "Checkpoint", "plan_review": "Plan review", "escalation": "A task asks for help", "question": "Question"}


def show_approval(screen: Screen, approval: ApprovalView) -> None:
    """The question with all that is known about it."""
    screen.say()
    screen.say(Text.assemble(("? ", "bold yellow"), (f"{KINDS[approval.kind]}: {clean(approval.title)}", "bold")))
    screen.say(indent(approval.question, "  "))
    for name, value in facts(approval):
        screen.say(Text.assemble((f"  {name:<12}", "dim"), clean(value)))


def facts(approval: ApprovalView) -> Iterator[tuple[str, str]]:
    """What there is to know besides the question, as name and value."""
    yield "id", short(approval.approval_id)
    yield "asked", who(approval)
    yield "choices", ", ".join(approval.choices)
    if approval.expires_at:
        yield "until", f"{approval.expires_at.astimezone():%Y-%m-%d %H:%M:%S}"
    for entry in approval.decisions:
        yield "so far", f"{entry.get('decision')} by {entry.get('by')}" + (f": {entry['comment']}" if entry.get("comment") else "")
    for name, value in approval.context.items():
        if value not in (None, "", [], {}):
            yield from _context(name, value)


def who(approval: ApprovalView) -> str:
    """Of whom it is asked, and how many must answer."""
    asked = ", ".join(approval.approvers) or "anyone who may approve"
    return asked + (f" ({approval.required} people)" if approval.required > 1 else "")


def next_command(approval: ApprovalView, hint: str) -> str:
    """What to type to go on."""
    name = short(approval.approval_id)
    if approval.kind in ("checkpoint", "plan_review"):
        more = f"   ({approval.required} people must approve: --as NAME)" if approval.required > 1 else ""
        return f"taskgrove approve {name}{hint}{more}"
    first = next(iter(approval.choices), "")
    if first in NEEDS:
        return f"taskgrove approve {name} --choice {first} {NEEDS[first]}{hint}   (or {', '.join(approval.choices[1:])})"
    choices = "|".join(approval.choices)
    return f"taskgrove approve {name} --choice {choices}{hint}"


def approval_row(approval: ApprovalView) -> list[str]:
    """A line of the inbox."""
    return [short(approval.approval_id), clock_time(approval.requested_at), approval.kind, who(approval), approval.question]


def _context(name: str, value: Any) -> Iterator[tuple[str, str]]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=None if _is_flat(value) else 2)
    for number, line in enumerate(last_lines(text, MOST_LINES)):
        yield ("" if number else name[:11]), line


def _is_flat(value: Any) -> bool:
    return not isinstance(value, dict | list) or len(json.dumps(value)) < 100  # noqa: PLR2004 (about a line of a terminal)
