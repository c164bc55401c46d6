"""What a run leaves: which files are its result, and copies of them in a person's folder, where nothing else is overwritten."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from shared.contracts.executor import Artifact
from shared.contracts.phases import Phase
from shared.contracts.views import TaskView
from shared.errors import NotFound
from shared.ids import above
from shared.programs import is_program
from taskgrove.cli.look import Look
from taskgrove.cli.text import short
from taskgrove.client import Client


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the run's result. `saved`: where a copy of it lies, if one was asked for; `not_saved`: why there is none.

    `by_disk`: that was where it was to lie; elsewhere it could be saved.
    """

    task: TaskView
    artifact: Artifact
    saved: Path | None = None
    not_saved: str | None = None
    by_disk: bool = False

    @property
    def renamed(self) -> bool:
        """Whether its copy has another name, because something else was there."""
        return self.saved is not None and self.saved.name != _inside(self.artifact).name


def results(seen: Look) -> list[Kept]:
    """The files of the run's own result; without any, those of its integration steps; without any, those of the tasks that end it."""
    steps = [task for task in seen.tasks if task.kind == "integration"]
    for tasks in ([seen.root], steps, _last(seen.tasks)):
        if found := [one for task in tasks for one in _kept(task)]:
            return found
    return []


def _last(tasks: Sequence[TaskView]) -> list[TaskView]:
    """The completed tasks that nothing comes after: neither after them, nor after a group around them."""
    needed = {name for task in tasks for name in task.dependencies}
    return [task for task in tasks if task.phase is Phase.COMPLETED and needed.isdisjoint((task.task_id, *above(task.task_id)))]


def _kept(task: TaskView) -> Iterator[Kept]:
    for artifact in task.result.artifacts if task.result else ():
        yield Kept(task, artifact)


async def save(client: Client, found: list[Kept], out: Path) -> list[Kept]:
    """Copy them into `out`; the files of several tasks, which may have one name, into a folder a task, named by its short id."""
    several = len({one.task.task_id for one in found}) > 1
    return [await _save(client, one, out / short(one.task.task_id) if several else out) for one in found]


async def _save(client: Client, one: Kept, folder: Path) -> Kept:
    """Copy one. What it cannot be copied for is said of this one: the others, and the report, are worth as much without it."""
    try:
        content = await client.artifact(one.artifact.sha256)
        return replace(one, saved=_written(folder / _inside(one.artifact), content))
    except OSError as error:
        return replace(one, not_saved=f"{error.strerror or error}: {error.filename}" if error.filename else str(error), by_disk=True)
    except (NotFound, ValueError) as error:
        # A name may hold what no name can hold here, such as a zero byte: a ValueError.
        return replace(one, not_saved=str(error))


def _inside(artifact: Artifact) -> PurePosixPath:
    """Its name as a path that leads nowhere else, whatever it holds."""
    parts = [part for part in PurePosixPath(artifact.name).parts if part not in ("/", "..", ".")]
    return PurePosixPath(*parts or [artifact.sha256])


def _written(wanted: Path, content: bytes) -> Path:
    """Where the content lies now: under this name, or under the next free one."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    target, number = wanted, 1
    while not _lies_at(target, content):
        number += 1
        target = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return target


def _lies_at(target: Path, content: bytes) -> bool:
    """Whether this file holds the content: it did, or it is new. What is there already is never changed."""
    try:
        file = target.open("xb")
    except FileExistsError:
        return target.is_file() and target.read_bytes() == content
    try:
        with file:
            file.write(content)
        if is_program(content):
            mode = target.stat().st_mode
            target.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it
    except OSError as error:
        # Half a file would pass for the result, and take its name from the next try.
        target.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(target)) from error
    return True
