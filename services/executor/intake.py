"""What comes in: offered attempts wait in the backlog, and are claimed as slots are free."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Container, Iterable, Mapping, Sequence

import structlog

from services.executor.backlog import Backlog, Waiting
from services.executor.domain import Claim
from services.executor.slots import Slots
from services.executor.store import AttemptStore
from shared.catalogue.agents import Lane
from shared.clock import Clock, full_jitter
from shared.errors import Unavailable
from shared.ids import run_of, task_of

PAGE, SHARED_PAGE = 500, 50
"""So many are looked at in one go; where few runs share this executor, so many for each other run: what each waits for is a page of all."""
COMPANY_SECONDS = 2.0
LOOK_SECONDS = 1.0
AGAIN_SECONDS = 0.5

log = structlog.get_logger()


class Intake:
    """One at a time: two that claim the same attempt could both find it theirs, the second after its work was done."""

    def __init__(
        self, store: AttemptStore, slots: Slots, *, running: Collection[str], start: Callable[[Claim, bool], None],
        tell: Callable[[Sequence[str]], Awaitable[None]], clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._slots = slots
        self._running = running
        self._start = start
        self._tell = tell
        self._clock = clock
        self.backlogs: dict[Lane, Backlog] = {lane: Backlog() for lane in slots.lanes}
        self._one_at_a_time = asyncio.Lock()
        self._free = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None
        self._collisions = 0
        self._draining = False
        self._shared_until = 0.0

    async def offer(self, attempts: Iterable[str]) -> list[str]:
        """Start what fits, keep the rest for later; those that are over already come back, to be said again."""
        offered, over = list(dict.fromkeys(attempts)), list[str]()
        while offered:
            page = self._page(offered[0])
            over += await self._offered(offered[:page])
            offered = offered[page:]
        return over

    async def fill(self) -> None:
        """Claim from the backlog whenever a slot becomes free, until cancelled."""
        while True:
            await self._free.wait()
            self._free.clear()
            try:
                await self._tell(await self._filled())
            except Unavailable as error:
                log.warning("backlog.waits", error=str(error))
            except Exception:
                log.exception("backlog.failed")

    def free(self, attempt_id: str) -> None:
        """Nobody works on it any more, or its end is written: another may have its slot, if it still had one, or its place under a cap."""
        if self._slots.free(attempt_id) or run_of(task_of(attempt_id)) in self._store.caps:
            self._free.set()

    def stop(self) -> None:
        """Claim nothing more: what is offered from now on is handed back, and what waits with it."""
        self._draining = True
        self._free.set()

    async def hand_back(self) -> None:
        """Others may have what waits here, at once."""
        self._draining = True
        try:
            await self._tell(await self._filled())
        except Unavailable as error:
            log.warning("backlog.not_handed_back", error=str(error))

    def _page(self, attempt: str | None = None) -> int:
        """How many are looked at now; `attempt` is the first of them that is offered."""
        runs = {*self._slots.runs(), *self._waiting_runs()}
        if attempt:
            runs.add(run_of(task_of(attempt)))
        now = self._clock.monotonic()
        if len(runs) > 1:
            self._shared_until = now + COMPANY_SECONDS
        return min(PAGE, SHARED_PAGE * max(1, len(runs) - 1)) if now < self._shared_until else PAGE

    def _waiting_runs(self) -> set[str]:
        return {run for backlog in self.backlogs.values() for run in backlog.runs()}

    async def _offered(self, offered: Sequence[str]) -> list[str]:
        async with self._one_at_a_time:
            known: list[Container[str]] = [self._running, *(backlog for backlog in self.backlogs.values() if backlog)]
            wanted = [attempt for attempt in offered if not any(attempt in one for one in known)]
            if self._draining:
                return await self._store.hand_back(wanted)
            claims = {claim.attempt_id: claim for claim in await self._store.claimable(wanted)} if wanted else {}
            for claim in claims.values():
                self.backlogs[claim.lane].add(self._waiting(claim))
            return await self._begin(claims) if claims else []

    async def _filled(self) -> list[str]:
        async with self._one_at_a_time:
            if not any(self.backlogs.values()):
                return []
            return await (self._store.hand_back(self._left()) if self._draining else self._begin({}))

    async def _begin(self, fresh: Mapping[str, Claim]) -> list[str]:
        """Claim what fits now, and start it; those that are over already come back. `fresh` were just read, all others are read again."""
        try:
            return await self._begun(fresh)
        except BaseException:
            self._look_in(AGAIN_SECONDS)  # nobody offers again what waits here already
            raise

    async def _begun(self, fresh: Mapping[str, Claim]) -> list[str]:
        chosen = await self._chosen()
        try:
            stale = [attempt for attempt in chosen if attempt not in fresh]
            claims = [*(fresh[attempt] for attempt in chosen if attempt in fresh), *(await self._store.claimable(stale) if stale else [])]
            won = await self._store.claim(claims)
            over = await self._store.over_their_caps(won, claims)
        except BaseException:
            for one in reversed(chosen.values()):
                self._slots.free(one.attempt_id)
                self.backlogs[one.lane].put_back(one)
            raise
        for claim in claims:
            if claim.attempt_id in won and claim.attempt_id not in over and claim.attempt_id not in self._running:
                self._start(claim, claim.attempt_id in fresh)
        self._let_go([attempt for attempt in chosen if attempt not in self._running], collided=bool(over))
        lost = [claim.attempt_id for claim in claims if claim.attempt_id not in won or claim.attempt_id in over]
        return await self._store.ended(lost) if lost else []

    def _let_go(self, attempts: Sequence[str], *, collided: bool) -> None:
        """These had moved on, or somebody else has them: others may go instead. Where another executor wanted as much, not at once."""
        for attempt in attempts:
            self._slots.free(attempt)
        self._collisions = self._collisions + 1 if collided else 0
        if collided:
            self._look_in(full_jitter(self._collisions, base=0.1, cap=LOOK_SECONDS))
        elif attempts:
            self._free.set()

    async def _chosen(self) -> dict[str, Waiting]:
        """What has a slot now, the next page of it; its slots are taken."""
        page = self._page()
        rooms = await self._store.rooms(self._waiting_runs(), here=self._slots.of_run)
        chosen = {
            one.attempt_id: one
            for backlog in self.backlogs.values()
            for one in backlog.take(page, lambda one: self._slots.take(one, rooms=rooms))
        }
        if len(chosen) >= page:
            self._free.set()
        # What other executors have of a run counts as well, and they do not tell when it is over.
        if any(room <= 0 and self._slots.of_run(run) < self._store.caps[run] for run, room in rooms.items()):
            self._look_in(LOOK_SECONDS)
        return chosen

    def _look_in(self, seconds: float) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._looking = None
        self._free.set()

    def _waiting(self, claim: Claim) -> Waiting:
        return Waiting(claim.attempt_id, claim.run_id, claim.agent, claim.lane, claim.priority, self._clock.monotonic())

    def _left(self) -> list[str]:
        return [attempt for backlog in self.backlogs.values() for attempt in backlog.clear()]
