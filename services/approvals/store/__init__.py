"""The approvals service's slice of the store, and its ways of reading what others own."""

from shared.messaging.quarantine import QUARANTINE
from shared.storage.port import Index, Schema
from shared.telemetry.logs import LOGS

RESENT = "due_at"
WEEK = 7 * 24 * 3600

SCHEMAS = (
    Schema(
        "submissions",
        (
            Index(((RESENT, 1),), partial=True),
            Index((("run_id", 1),), partial=True),
            Index((("state", 1), ("_id", -1))),
            Index((("key_at", 1),), expire_after=WEEK),
        ),
    ),
    Schema(
        "approvals",
        (
            Index(((RESENT, 1),), partial=True),
            Index((("state", 1), ("_id", 1))),
            Index((("run_id", 1), ("_id", 1))),
            Index((("task_id", 1), ("state", 1))),
        ),
    ),
    QUARANTINE,
    LOGS,
    Schema("audit"),
    Schema("principals", (Index((("key_hash", 1),), unique=True),)),
    Schema("sessions", (Index((("expires_at", 1),), expire_after=0),)),
    Schema("feed", (Index((("run_id", 1), ("seq", 1))), Index((("at", 1),), expire_after=WEEK))),
    Schema("imports", (Index(((RESENT, 1),), partial=True), Index((("import_id", 1),)), Index((("done_at", 1),), expire_after=WEEK))),
)
