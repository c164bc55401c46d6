"""How much waits for people, asked of the store every few seconds for the metrics."""

from services.approvals.deps import Deps
from services.approvals.domain.deciding import PENDING

MOST_COUNTED = 5_000


async def sample(deps: Deps) -> None:
    """Count open questions, at most so many, and messages in quarantine."""
    open_ones = await deps.approvals.collection.find({"state": PENDING}, ("kind", "requested_at"), limit=MOST_COUNTED)
    questions = [(doc["kind"], doc["requested_at"]) for doc in open_ones]
    deps.metrics.waits(questions, now=deps.ground.clock.now(), quarantined=await deps.quarantined.count())
