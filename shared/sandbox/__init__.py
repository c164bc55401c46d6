"""Running what we did not write: scripts and commands under limits, Python calls in processes that can be killed."""

from shared.sandbox.calling import awaited
from shared.sandbox.control import ProcessControl
from shared.sandbox.pool import Pool
from shared.sandbox.run import Sandbox
from shared.sandbox.threads import Threads
from shared.sandbox.values import Finished, Level, Limits

__all__ = ["Finished", "Level", "Limits", "Pool", "ProcessControl", "Sandbox", "Threads", "awaited"]
