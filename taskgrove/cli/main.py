"""The entry of the command line: finds the command, and turns errors into one clear message and an exit status."""

import io
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from shared.errors import TaskgroveError

WORK, LOOK, DECIDE, OPERATE = "Do work", "See what happens", "Decide and steer", "Operate"

# name: (module in this package, where it is listed, what it does)
COMMANDS = {
    "run": ("run", WORK, "Plan notes, carry the plan out, ask at checkpoints, and report."),
    "plan": ("plan", WORK, "Show what would be done, in which order, and what is odd about it. Starts nothing."),
    "submit": ("submit", WORK, "Hand notes to a Taskgrove that runs, and return at once."),
    "status": ("status", LOOK, "List the runs, or show one run as a tree."),
    "watch": ("watch", LOOK, "Follow a run until it ends."),
    "logs": ("logs", LOOK, "Search and follow the logs of a run."),
    "open": ("dashboard", LOOK, "Open the dashboard in the browser, logged in."),
    "inbox": ("inbox", DECIDE, "List what waits for a person."),
    "approve": ("inbox", DECIDE, "Approve something that waits."),
    "reject": ("inbox", DECIDE, "Reject something that waits."),
    "cancel": ("steer", DECIDE, "Cancel a task and all below it."),
    "pause": ("steer", DECIDE, "Start nothing new below a task."),
    "resume": ("steer", DECIDE, "Let a paused task go on."),
    "retry": ("steer", DECIDE, "Try a failed or cancelled task again."),
    "rerun": ("steer", DECIDE, "Do a task again, with all that comes after it."),
    "up": ("up", OPERATE, "Start Taskgrove on this machine and keep it running."),
    "down": ("up", OPERATE, "Stop the Taskgrove that runs on this machine."),
    "export": ("transfer", OPERATE, "Write a run as one JSON document, without its files."),
    "import": ("transfer", OPERATE, "Bring an exported run back."),
    "quarantine": ("quarantine", OPERATE, "Look at messages that no service could use, replay or discard them."),
    "scripted-model": ("scripted_model", OPERATE, "Serve a scripted stand-in for a language model, for tests and demos."),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table above, and imports the one that is called: `--help` costs no imports."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, _, summary) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (click's signature)
        """By panel, without rich: importing that for help takes longer than all the rest."""
        for panel in (WORK, LOOK, DECIDE, OPERATE):
            with formatter.section(panel):
                formatter.write_dl([(name, summary) for name, (_, where, summary) in COMMANDS.items() if where == panel])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, _load(name) if listed and name else None, rest


def _load(name: str) -> Any:
    module = import_module(f"taskgrove.cli.{COMMANDS[name][0]}")
    command = typer.main.get_group(module.app)
    return command if module.app.info.name == name else command.commands[name]


app = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

STATUSES = (
    "0 completed, what had checks is verified; 1 a task failed, a result was not saved, or anything that is not named here; "
    "2 bad input; 3 waits for a person; 4 no Taskgrove could be reached or started; "
    "130 interrupted (what is meant to last until Ctrl-C, such as up or logs -f, ends with 0)"
)


def _version(wanted: bool) -> None:
    if wanted:
        version = import_module("importlib.metadata").version("taskgrove")
        typer.echo(f"taskgrove {version}")
        raise typer.Exit


@app.callback(epilog=f"Exit status: {STATUSES}.")
def taskgrove(*, version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version.")) -> None:
    """Notes in, verified work out."""


def main() -> NoReturn:
    """Run the command line. Its exit status is one of STATUSES."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    try:
        app(prog_name="taskgrove")
    except TaskgroveError as error:
        _leave(str(error), status=error.exit_status)
    except BrokenPipeError:
        # Whoever read our output has gone; so does what Python would flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("TASKGROVE_TRACEBACK"):
            raise
        _leave(
            f"Unexpected: {type(error).__name__}: {error}. The services' logs are in the data directory under logs/; "
            "TASKGROVE_TRACEBACK=1 shows where it happened here.",
            status=1,
        )
    sys.exit(0)


def _open_what_is_closed() -> None:
    """In their order, so that each gets its own number back: no file or connection of ours may have that of a closed stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _leave(message: str, *, status: int) -> NoReturn:
    clean = import_module("taskgrove.cli.text").clean  # help does not wait for what it imports
    sys.stderr.write(f"{clean(message)}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
