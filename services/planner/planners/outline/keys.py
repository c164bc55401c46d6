"""The keys of the outline format: what each takes, where it may stand, and how often."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.planner.planners.outline import checks, values


@dataclass(frozen=True)
class Key:
    """`repeats`: may be given several times. `groups`: may also be set where there are tasks below."""

    read: Callable[[str], Any]
    repeats: bool = False
    groups: bool = False


CHECK_KEYS = {
    "check": Key(checks.command, repeats=True, groups=True),
    "check-file": Key(checks.file, repeats=True, groups=True),
    "check-contains": Key(checks.contains, repeats=True, groups=True),
    "check-schema": Key(checks.schema, repeats=True, groups=True),
    "check-model": Key(checks.model, repeats=True, groups=True),
}

KEYS = CHECK_KEYS | {
    "after": Key(values.text, repeats=True, groups=True),
    "retries": Key(values.whole_number(0, 100), groups=True),
    "timeout": Key(values.positive_duration),
    "approval": Key(values.approval, groups=True),
    "integration": Key(values.yes_or_no, groups=True),
    "agent": Key(values.agent),
    "call": Key(values.text),
    "args": Key(values.json_object),
    "question": Key(values.text),
    "outputs": Key(values.globs, repeats=True),
    "on-failure": Key(values.on_failure, groups=True),
    "estimate": Key(values.duration, groups=True),
    "priority": Key(values.whole_number(0, 9), groups=True),
}
