"""Which Taskgrove a command talks to: the one that is named, else the one that runs on this machine."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unavailable
from taskgrove.client import Client
from taskgrove.local.home import Home, default_home
from taskgrove.local.state import read_state

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """An address and its key. `hint`: options that lead other commands here; `home`: its data directory, if that is on this machine.

    `passing`: it was started for this command, and ends with it.
    """

    url: str
    key: str | None
    hint: str = ""
    home: Path | None = None
    in_memory: bool = False
    passing: bool = False

    def client(self) -> Client:
        """A client for it."""
        return Client(self.url, key=self.key, patience=PATIENCE if self.key else 0.0)


def known_place(api: str | None, data: Path | None) -> Place | None:
    """The Taskgrove that is named, else the one that runs on the data directory; None: there is none yet."""
    return _named_place(api) or local_place(data)


def _named_place(api: str | None) -> Place | None:
    """The Taskgrove that --api or TASKGROVE_API names, with TASKGROVE_KEY."""
    return Place(api, os.environ.get("TASKGROVE_KEY"), hint=f" --api {api}") if api else None


def local_place(data: Path | None) -> Place | None:
    """The Taskgrove that runs on the data directory, with the admin key that lies there."""
    home = Home((data or default_home()).absolute())
    state = read_state(home.root)
    if state is None or not state.running:
        return None
    return Place(state.api_url, local_key(home), hint=hint_for(home.root), home=home.root)


def find_place(api: str | None, data: Path | None) -> Place:
    """Where to talk to. Raises Unavailable that says how to get one."""
    place = known_place(api, data)
    if place is None:
        root = (data or default_home()).absolute()
        raise Unavailable(
            f"no Taskgrove runs on {root}; start one with `taskgrove up{hint_for(root)}`, or name another with --api or TASKGROVE_API"
        )
    return place


def hint_for(root: Path) -> str:
    """` --data DIR`, where other commands would look elsewhere."""
    return "" if root == default_home().absolute() else f" --data {root}"


def local_key(home: Home) -> str | None:
    """TASKGROVE_KEY, or the admin key of a data directory."""
    if given := os.environ.get("TASKGROVE_KEY"):
        return given
    try:
        keys = json.loads(home.keys.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read the API key in {home.keys}: {error.strerror}; be the user who started Taskgrove, or set TASKGROVE_KEY"
        raise Unavailable(message) from error
    return next((str(one["key"]) for one in keys if "admin" in one.get("roles", ())), None)
