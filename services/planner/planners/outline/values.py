"""What may stand behind a key, each kind with the error that tells how it is written."""

import re
from collections.abc import Callable
from typing import Any, get_args

from services.planner.names import did_you_mean
from services.planner.planners.strict_json import strict_json
from shared.catalogue.agents import known_agents
from shared.contracts.plan import Checkpoint, OnFailure
from shared.plugins import INSTALL

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)")
COUNT = re.compile(r"([0-9]{1,3}) of ([0-9]{1,3})")
MOST_APPROVERS = 20


def duration(value: str) -> float:
    """Seconds."""
    match = DURATION.fullmatch(value)
    if match is None:
        raise ValueError(f"`{value}` is no duration; write a number and ms, s, m, h or d, such as 500ms, 10s, 10m, 2h or 1d")
    return float(match[1]) * SECONDS[match[2]]


def positive_duration(value: str) -> float:
    """Seconds, more than none."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError(f"`{value}` leaves no time; write more than 0, or leave the key out")
    return seconds


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of whole numbers within bounds."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", value) or not lowest <= int(value) <= highest:
            raise ValueError(f"`{value}` does not fit; write a whole number from {lowest} to {highest}")
        return int(value)

    return read


def yes_or_no(value: str) -> bool:
    """A switch."""
    if value.casefold() not in ("yes", "no"):
        raise ValueError(f"`{value}` is neither; write yes or no")
    return value.casefold() == "yes"


def on_failure(value: str) -> str:
    """What becomes of the run when the task fails for good."""
    choices = get_args(OnFailure)
    if value.casefold() not in choices:
        raise ValueError(f"`{value}` is no choice; write one of {', '.join(choices)}")
    return value.casefold()


def agent(value: str) -> str:
    """An agent of the catalogue."""
    if value not in known_agents():
        raise ValueError(f"there is no agent `{value}`; {did_you_mean(value, known_agents())} {INSTALL}")
    return value


def text(value: str) -> str:
    """Taken as it is."""
    return value


def json_object(value: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        found = strict_json(value)
    except ValueError as error:
        raise ValueError(f'this is not JSON ({error}); write an object such as {{"seconds": 1}}') from error
    if isinstance(found, dict):
        return found
    raise ValueError('this is JSON, but no object; write one such as {"seconds": 1}')


def inside(path: str) -> str:
    """A path or glob within the directory that a task works in."""
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(f"`{path}` lies outside the task's directory; write a path relative to it, without `..`")
    return path


def globs(value: str) -> tuple[str, ...]:
    """Comma-separated globs."""
    return tuple(inside(part.strip()) for part in value.split(",") if part.strip())


def approval(value: str) -> Checkpoint:
    """`before|after, by A or B, N of M, within 2h`, in any order, all but one part optional."""
    found: dict[str, Any] = {}
    for part in (part.strip() for part in value.split(",")):
        name, setting = _approval_part(part)
        if name in found:
            raise ValueError(f"`{part}` says the same thing again; keep one of them (names are joined by `or`)")
        found[name] = setting
    return Checkpoint(**found)


def _approval_part(part: str) -> tuple[str, Any]:
    word, _, rest = part.partition(" ")
    if part.casefold() in ("before", "after"):
        return "when", part.casefold()
    if word.casefold() == "by" and rest.strip():
        return "approvers", _approvers(rest)
    if word.casefold() == "within":
        return "within", positive_duration(rest.strip())
    if match := COUNT.fullmatch(part):
        return "required", _required(int(match[1]), int(match[2]))
    raise ValueError(f"`{part}` is not understood; write `before` or `after`, then `by A or B`, `2 of 3`, `within 2h`, with commas between")


def _approvers(names: str) -> tuple[str, ...]:
    approvers = tuple(name.strip() for name in re.split(r"(?<=\s)or(?=\s)", names))
    if any(not name or re.search(r"\sand\s", name) for name in approvers):
        raise ValueError(f"`by {names}` is not understood; join names by `or`, and say how many must agree as `2 of 2`")
    return approvers


def _required(number: int, total: int) -> int:
    if not 1 <= number <= total or number > MOST_APPROVERS:
        raise ValueError(f"`{number} of {total}` cannot be; write at least 1, at most {MOST_APPROVERS}, and no more than there are")
    return number
