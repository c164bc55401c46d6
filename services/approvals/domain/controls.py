"""Orders for a task: which word means which, whether it is possible now, and when it is done with."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from shared.contracts.phases import Action, Phase, Status, legal_actions
from shared.contracts.views import TaskUpdate
from shared.errors import BadInput, Conflict, IllegalMove, VersionMismatch
from shared.orders import noted_in

BY_STATUS = {Status.COMPLETED: Action.COMPLETE, Status.FAILED: Action.CANCEL}


def action_of(update: TaskUpdate) -> Action:
    """What is ordered. Raises BadInput that names the field and the actions there are."""
    if update.action is not None:
        action = _named(update.action)
        if update.status is not None and BY_STATUS.get(update.status) is not action:
            raise BadInput(f"status: {update.status} says something else than the action {action}; give one of them")
    elif update.status is not None:
        if update.status not in BY_STATUS:
            raise BadInput(f"status: a person can set Completed (complete) or Failed (cancel), not {update.status}")
        action = BY_STATUS[update.status]
    else:
        raise BadInput(f"action: say what to do; there are: {', '.join(Action)}")
    if action is Action.COMPLETE and update.result is None:
        raise BadInput("result: to complete a task by hand, give its result: summary, data or both")
    return action


def seen_version(update: TaskUpdate, view: Mapping[str, Any], if_match: str | None, *, action: Action) -> int | None:
    """The version that whoever orders has seen; None: any will do. Raises Conflict if there is another by now, BadInput if none is said."""
    if update.version is not None and update.version != view["version"]:
        task, version = view["taskId"], view["version"]
        raise Conflict(f"{task} has changed: it has version {version} now, not {update.version}; look at it again, then order anew")
    if update.version is not None:
        return update.version
    if if_match is not None and if_match.strip() != "*":
        return int(view["version"])
    if action is Action.RERUN:
        raise BadInput(
            "version: to do a task again, say which version of it you saw; GET /tasks/{id}/rerun tells it, and what it would mean"
        )
    return None


def check_move(view: Mapping[str, Any], action: Action) -> None:
    """Raises IllegalMove, with what is legal, for an order that this task cannot take now."""
    legal = [str(one) for one in legal_actions(Phase(view["phase"]), paused=view["paused"])]
    if action not in legal:
        possible = f"possible are: {', '.join(legal)}" if legal else "nothing is, for a task that is over"
        raise IllegalMove(f"{view['taskId']} is {view['phase']}: {action} is not possible now; {possible}", legal=legal)


def check_version(view: Mapping[str, Any], if_match: str | None) -> None:
    """Raises VersionMismatch when `If-Match` (a version, quoted or not) is not the one that is there."""
    if if_match is None or if_match.strip() == "*":
        return
    wanted = {tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")}
    if str(view["version"]) not in wanted:
        version = view["version"]
        raise VersionMismatch(f"{view['taskId']} has version {version} now, not {if_match}; look at it again", current=version)


def is_done_with(control: Mapping[str, Any], task: Mapping[str, Any] | None) -> bool:
    """Whether the order was dealt with: the sequencer notes each, carried out or refused.

    One that has become impossible meanwhile is said all the same: it may be half carried out, and whoever gave it is told the reason.
    """
    if task is None:
        return bool(control["task_id"] != control["run_id"])  # it was there to be ordered about: its plan was given up, and it with that
    return noted_in(task).is_dealt_with(control["_id"])


def _named(word: str) -> Action:
    try:
        return Action(word)
    except ValueError:
        near = get_close_matches(word, list(Action), n=1)
        raise BadInput(f"action: {word!r} is none; {f'did you mean {near[0]}? ' if near else ''}there are: {', '.join(Action)}") from None
