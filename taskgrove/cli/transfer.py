"""`taskgrove export` and `import`: a run as one JSON document."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from shared.contracts.views import TaskView
from shared.errors import BadInput
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, RunArgument, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import count_of, line_of, short, size

app = commands()


@app.command("export")
def export_run(
    run: RunArgument,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="None: stdout.", show_default=False)] = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as one JSON document: its tasks with all that is known of them, but not their files."""
    screen, place = Screen(as_json=as_json), find_place(api, data)
    run_id, document, files = asyncio.run(_export(place, run))
    if files:
        left_out = f"Without {count_of(len(files), 'file')} ({size(sum(files.values()))}) of its tasks"
        screen.warn(f"{left_out}: as long as the run is here, `taskgrove watch {short(run_id)}{place.hint} --out DIR` copies the results")
    if output is None:
        sys.stdout.buffer.write(document)
        return
    try:
        output.write_bytes(document)
    except OSError as error:
        raise BadInput(f"{output}: this cannot be written: {error.strerror}; name another file") from error
    screen.say(f"{output}: {size(len(document))}, run {run_id}")
    screen.document({"runId": run_id, "file": str(output), "bytes": len(document), "filesLeftOut": len(files)})


@app.command("import")
def import_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `taskgrove export` wrote.")],
    *,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring an exported run back. Takes the admin key."""
    screen, document = Screen(as_json=as_json), read_document(file)
    place = find_place(api, data)
    try:
        root = asyncio.run(_import(place, document))
    except BadInput as error:
        raise BadInput(f"{file}: {error}; give a file that `taskgrove export` wrote") from error
    screen.say(f"Run {root.run_id}: {line_of(root.title)}")
    screen.say(f"  look at it: taskgrove status {short(root.run_id)}{place.hint}", style="dim")
    screen.document(root)


def read_document(file: Path) -> Any:
    """The JSON object in a file. Raises BadInput."""
    try:
        document = orjson.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file}: this cannot be read: {error.strerror}; give a file that `taskgrove export` wrote") from error
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{file}:{error.lineno}: this is not JSON: {error.msg}; give a file that `taskgrove export` wrote") from error
    if not isinstance(document, dict):
        raise BadInput(f"{file}: this is no exported run; give a file that `taskgrove export` wrote")
    return document


async def _export(place: Place, wanted: str) -> tuple[str, bytes, dict[str, int]]:
    """The run's id, its document, and the size of each file that is not in it, by content hash."""
    async with place.client() as client:
        run_id = await resolve.run_id(client, wanted)
        document = await client.export(run_id)
        results = [task.result async for task in client.all_tasks(run=run_id) if task.result]
        return run_id, document, {artifact.sha256: artifact.bytes for result in results for artifact in result.artifacts}


async def _import(place: Place, document: Any) -> TaskView:
    async with place.client() as client:
        return await client.import_run(document)
