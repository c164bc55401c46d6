"""How long the five services take from the first spawn until all of them say that they are ready."""

from pathlib import Path

from taskgrove.local.supervisor import LocalStack


async def measure(root: Path) -> float:
    """Seconds, with broker and store already up. All is ended again."""
    async with LocalStack(root) as stack:
        return stack.start_seconds
