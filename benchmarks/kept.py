"""What was measured, kept as JSON beside the page: all rounds, so that the page and its plots can be made anew of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import Taken
from benchmarks.measure import Session
from benchmarks.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Kept:
    """One question, as it was last taken. What was taken in one session was taken side by side, and may be held against each other."""

    at: datetime
    machine: tuple[str, ...]
    others: tuple[float, ...]
    sizes: Sizes
    readings: Mapping[str, tuple[float, ...]]

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """From JSON."""
        known = {one.name for one in fields(Sizes)} & kept["sizes"].keys()
        sizes: dict[str, Any] = {name: tuple(one) if isinstance(one := kept["sizes"][name], list) else one for name in known}
        readings = {name: tuple(values) for name, values in kept["readings"].items()}
        return cls(datetime.fromisoformat(kept["at"]), tuple(kept["machine"]), tuple(kept["others"]), Sizes(**sizes), readings)


def of_session(session: Session) -> dict[str, Kept]:
    """What a session took, as far as it was sound."""
    machine = tuple(session.machine.lines()) if session.machine else ()
    return {
        name: Kept(session.at, machine, tuple(session.others[name]), session.sizes, readings) for name, readings in session.taken.items()
    }


def read(path: Path) -> dict[str, Kept]:
    """What is kept."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Kept.read(one) for name, one in kept.items()}


def merged(path: Path, new: Mapping[str, Kept]) -> dict[str, Kept]:
    """What is kept, with what was taken now in place of what was taken before; written."""
    kept = read(path) | dict(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    wire = {name: {**asdict(one), "at": one.at.isoformat(), "readings": _rounded(one.readings)} for name, one in kept.items()}
    path.write_text(json.dumps(wire, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return read(path)


def beside(kept: Mapping[str, Kept], name: str) -> Taken:
    """The readings of a question, and of the others that were taken in the same session."""
    return {other: one.readings for other, one in kept.items() if one.at == kept[name].at}


def newest(kept: Mapping[str, Kept]) -> Kept:
    """The one that was taken last."""
    return max(kept.values(), key=lambda one: one.at)


def _rounded(readings: Mapping[str, tuple[float, ...]]) -> dict[str, list[float]]:
    """Six digits say all that there is to say."""
    return {name: [float(f"{value:.6g}") for value in values] for name, values in readings.items()}
