"""The ledger of effects: what simulated tasks did to the world outside, kept where no crash and no store can touch it.

An attempt is made by one executor, once: no attempt delivers twice. Attempts of one task may each deliver; they bear the key that the
documentation tells users to take, the task's id, by which whoever receives them does the thing itself once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shared.ids import run_of, task_of


@dataclass(frozen=True, slots=True)
class Effect:
    """Delivered, by whom, when. `number` is what the result of the attempt says; `key` is the attempt."""

    number: int
    order: int
    at: float
    task_id: str
    key: str
    process: str


@dataclass
class Ledger:
    """`begun` counts how often each attempt was begun, `tried` how often each task had its way of failing.

    `crowds` is how many of a run were under way at once at most. `done` is what was really done, by idempotency key: the first effect that
    came under it.
    """

    order: Callable[[], int]
    now: Callable[[], float]
    begun: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    crowds: Counter[str] = field(default_factory=Counter)
    effects: list[Effect] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def begin(self, attempt: str, *, under_way: Iterable[str] = ()) -> None:
        """An attempt begins. `under_way` are those that are claimed, of which some have not begun."""
        self.begun[attempt] += 1
        run = run_of(task_of(attempt))
        self.crowds[run] = max(self.crowds[run], sum(run_of(task_of(name)) == run for name in under_way if name in self.begun))

    def failed_before(self, task_id: str) -> int:
        """How often this task has failed; counted from now on once more."""
        self.tried[task_id] += 1
        return self.tried[task_id] - 1

    def do(self, *, task_id: str, key: str, process: str) -> int:
        """The effect of an attempt, for a receiver that does the same task's thing once; its number."""
        effect = Effect(len(self.effects) + 1, self.order(), self.now(), task_id, key, process)
        self.effects.append(effect)
        self.done.setdefault(task_id, effect.number)
        return effect.number

    def by_key(self) -> dict[str, list[Effect]]:
        """All effects under the attempts that had them."""
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in self.effects:
            found[effect.key].append(effect)
        return found
