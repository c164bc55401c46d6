"""The ledger of effects: what simulated tasks did to the world outside, kept where no crash and no store can touch it.

The contract gives a script no key of its own that outlives an attempt; what it promises is that an attempt is made by one executor, once.
So an effect is keyed by its attempt, and each key may be here once; the adopted result names the effect that it rests on.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Effect:
    """Done, by whom, when. `number` is what the result of the attempt says."""

    number: int
    order: int
    at: float
    task_id: str
    key: str
    process: str


@dataclass
class Ledger:
    """`begun` counts how often each attempt was begun, `tried` how often each task had its way of failing."""

    order: Callable[[], int]
    now: Callable[[], float]
    begun: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    effects: list[Effect] = field(default_factory=list)

    def begin(self, attempt: str) -> None:
        """An attempt begins."""
        self.begun[attempt] += 1

    def failed_before(self, task_id: str) -> int:
        """How often this task has failed; counted from now on once more."""
        self.tried[task_id] += 1
        return self.tried[task_id] - 1

    def do(self, *, task_id: str, key: str, process: str) -> int:
        """The effect itself; its number."""
        effect = Effect(len(self.effects) + 1, self.order(), self.now(), task_id, key, process)
        self.effects.append(effect)
        return effect.number

    def by_key(self) -> dict[str, list[Effect]]:
        """All effects under their keys."""
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in self.effects:
            found[effect.key].append(effect)
        return found
