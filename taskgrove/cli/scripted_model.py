"""`taskgrove scripted-model`: a stand-in for a language model that says what a script says."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from taskgrove.cli.options import JsonOption, commands
from taskgrove.cli.screen import Screen
from taskgrove.scripted import read_script, scripted

app = commands()


@app.command("scripted-model")
def scripted_model(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="A JSON file; docs/how-to/use-a-model.md has its form.")],
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port on 127.0.0.1; 0: any free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Serve /v1/models and /v1/chat/completions from a script until Ctrl-C: for tests, and to try things without a key."""
    screen = Screen(as_json=as_json)
    with scripted(read_script(script), port=port) as model, suppress(KeyboardInterrupt):
        screen.say(f"The scripted model listens at {model.url}; Ctrl-C ends it. To use it:")
        for name, value in model.environment.items():
            screen.say(f"  export {name}={value}")
        screen.document(model.environment)
        threading.Event().wait()
