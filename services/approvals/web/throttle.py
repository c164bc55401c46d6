"""Failed logins, counted by where they come from: who guesses must wait, and all who guess together cannot fill the audit trail."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from shared.clock import Clock

WINDOW_SECONDS = 60.0
MOST_FROM_ONE = 10
MOST_FROM_ALL = 100
MOST_ADDRESSES = 10_000


class Throttle:
    """The failures of the last minute, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=MOST_FROM_ALL)

    def is_closed(self, address: str) -> bool:
        """Whether this address failed too often of late. Never by what others did: they could lock everybody out."""
        return self._within(self._of.get(address, ())) >= MOST_FROM_ONE

    def failed(self, address: str) -> bool:
        """One more failure; whether it still is one of so few that each is worth an entry in the audit trail."""
        now = self._clock.monotonic()
        is_worth_it = self._within(self._all) < MOST_FROM_ALL
        self._all.append(now)
        self._of.setdefault(address, deque(maxlen=MOST_FROM_ONE)).append(now)
        self._of.move_to_end(address)
        while len(self._of) > MOST_ADDRESSES:
            self._of.popitem(last=False)
        return is_worth_it

    def _within(self, times: Iterable[float]) -> int:
        since = self._clock.monotonic() - WINDOW_SECONDS
        return sum(at > since for at in times)
