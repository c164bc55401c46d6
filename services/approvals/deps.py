"""What the handlers, the sweep and the HTTP API of this service stand on."""

from dataclasses import dataclass

import structlog

from services.approvals.glances import Glances
from services.approvals.live import Hub
from services.approvals.metrics import ApprovalsMetrics
from services.approvals.settings import ApprovalsSettings
from services.approvals.store.approvals import Approvals
from services.approvals.store.audit import Audit
from services.approvals.store.feed import Feed
from services.approvals.store.imports import Imports
from services.approvals.store.logs import Logs
from services.approvals.store.looking import Looking
from services.approvals.store.principals import Principals
from services.approvals.store.quarantined import Quarantined
from services.approvals.store.reads import Reads
from services.approvals.store.sessions import Sessions
from services.approvals.store.submissions import Submissions
from services.approvals.summaries import Summaries
from shared.artifacts import ArtifactStore
from shared.contracts.base import Event
from shared.errors import Unavailable
from shared.service import Ground

log = structlog.get_logger()


@dataclass(slots=True)
class Deps:
    """Built once, in wiring."""

    ground: Ground
    settings: ApprovalsSettings
    metrics: ApprovalsMetrics
    hub: Hub
    artifacts: ArtifactStore
    submissions: Submissions
    approvals: Approvals
    audit: Audit
    principals: Principals
    sessions: Sessions
    feed: Feed
    imports: Imports
    reads: Reads
    looking: Looking
    summaries: Summaries
    glances: Glances
    logs: Logs
    quarantined: Quarantined
    has_model: bool = False

    async def say(self, *events: Event) -> bool:
        """Say what is kept already. Whether the broker has it: if not, the sweep says it again."""
        try:
            await self.ground.publisher.say(events)
        except Unavailable as error:
            log.warning("said.later", events=[event.name for event in events], run_id=events[0].run_id, error=str(error))
            return False
        return True
