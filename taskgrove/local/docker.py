"""`docker run` in the place of an executable, for machines that have the engine and not the program."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from taskgrove.local.parts import Image


def container_name(kind: str, directory: Path) -> str:
    """One name for one data directory, so that a container whose client was killed is found again."""
    return f"taskgrove-{kind}-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]}"


def run_command(image: Image, name: str, *, options: Sequence[str], arguments: Sequence[str] = ()) -> list[str]:
    """The `docker run` that stays in the foreground and takes its container along when it ends."""
    user = [] if os.getuid() == 0 else ["--user", f"{os.getuid()}:{os.getgid()}"]
    return ["docker", "run", "--rm", "--name", name, *user, *options, image.name, *arguments]


async def remove(name: str) -> None:
    """End a container that an earlier run left; no matter if there is none."""
    process = await asyncio.create_subprocess_exec(
        "docker", "rm", "--force", "--volumes", name, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await process.wait()
