"""An attempt while somebody works on it, and why nobody does any more."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from services.executor.domain import Claim
from shared.sandbox import ProcessControl

Stop = Literal["cancelled", "lost", "released"]


@dataclass(slots=True)
class Running:
    """An attempt under way."""

    claim: Claim
    env: Mapping[str, str]
    control: ProcessControl = field(default_factory=ProcessControl)
    task: "asyncio.Task[None] | None" = None
    stop: Stop | None = None
    directory: Path | None = None
    crowded: bool = False

    def end(self, why: Stop) -> None:
        """Stop working on it, and remember why. Said again it is done again: one cancellation may be swallowed (shared/ending.py)."""
        if self.task and self.stop in (None, why):
            self.stop = why
            self.task.cancel()
