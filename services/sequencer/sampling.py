"""How many tasks stand in which phase, found by walking down the open part of all trees along the index (parent_id, open)."""

from collections import Counter

from services.sequencer.metrics import SequencerMetrics
from shared.contracts.phases import Phase
from shared.storage.port import Database, Where

MOST_PARENTS = 5_000
WITH_CHILDREN = [{"phase": {"$in": [Phase.EXPANDED, Phase.EXPANDING]}}, {"phase": Phase.BLOCKED, "children": {"$gt": 0}}]
"""A group that is to be done again waits, and all below it with it."""


async def sample(database: Database, metrics: SequencerMetrics) -> None:
    """Count level by level, below at most so many parents a level; what is over is never looked at."""
    tasks = database["tasks"]
    found: Counter[Phase] = Counter()
    level: Where = {"parent_id": None, "open": True}
    runs = 0
    while level:
        counted = await tasks.count_by(level, "phase")
        found.update({Phase(phase): count for phase, count in counted.items()})
        runs = runs or sum(counted.values())
        parents = await tasks.find({**level, "$or": WITH_CHILDREN}, ("phase",), limit=MOST_PARENTS)
        level = {"parent_id": {"$in": [parent["_id"] for parent in parents]}, "open": True} if parents else {}
    metrics.stand(found, runs=runs)
