"""Failed logins, counted by where they come from: who guesses must wait, and cannot fill the audit trail."""

from collections import OrderedDict, deque

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
        """Whether this address, or all together, failed too often of late."""
        since = self._clock.monotonic() - WINDOW_SECONDS
        own = self._of.get(address, ())
        return _within(own, since) >= MOST_FROM_ONE or _within(self._all, since) >= MOST_FROM_ALL

    def failed(self, address: str) -> None:
        """One more failure."""
        now = self._clock.monotonic()
        self._all.append(now)
        self._of.setdefault(address, deque(maxlen=MOST_FROM_ONE)).append(now)
        self._of.move_to_end(address)
        while len(self._of) > MOST_ADDRESSES:
            self._of.popitem(last=False)


def _within(times: "deque[float] | tuple[()]", since: float) -> int:
    return sum(at > since for at in times)
