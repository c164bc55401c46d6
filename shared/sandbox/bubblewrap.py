"""The command line of bubblewrap: the whole file system to read, one directory to write, and no sight of anybody's secrets."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOME_SECRETS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".config/git", ".config/pip", ".config/uv"),
    *(".netrc", ".git-credentials", ".npmrc", ".pypirc", ".vault-token", ".terraform.d", ".cargo/credentials.toml", ".m2/settings.xml"),
    *(".password-store", ".local/share/keyrings", ".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium"),
    *(".bash_history", ".zsh_history", ".python_history"),
)
SYSTEM_SECRETS = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssh", "/etc/ssl/private", "/etc/kubernetes", "/etc/rabbitmq"),
    *(
        "/var/run",
        "/var/lib/kubelet",
        "/var/lib/rabbitmq",
        "/var/lib/mongodb",
        "/var/lib/docker",
        "/var/lib/containerd",
        "/var/spool",
        "/var/log",
    ),
)
EMPTIED = ("/tmp", "/var/tmp")  # noqa: S108 (each run has its own)
OWN_CODE = Path(__file__).resolve().parents[2]
RESOLVER = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf")
NO_NESTING = ("--unshare-user", "--disable-userns")
PROBE_SECONDS = 10
NOWHERE = 0
"""Its standard input, which is /dev/null."""


@dataclass(frozen=True)
class View:
    """What one run sees: `directory` to write, `scratch` as its /tmp, `readable` in spite of `hidden`, `shown` although it lies in /tmp."""

    directory: Path
    scratch: Path
    readable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    shown: Sequence[Path] = ()
    network: bool = False


def command(program: str, view: View, *, nesting: Sequence[str], status: int) -> list[str]:
    """bubblewrap and its options, up to the program to run. Order matters: what is mounted later lies on top.

    `status` is the number of an open file in which bubblewrap says how it goes.

    No `--new-session`: the caller starts a session without a terminal anyway, and one session can be paused as a whole.
    """
    share = ("--share-net",) if view.network else ()
    base = (program, "--unshare-all", *nesting, *share, "--die-with-parent", "--cap-drop", "ALL", "--json-status-fd", str(status))
    system = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--tmpfs", "/var/tmp")  # noqa: S108
    own = ("--bind", str(view.directory), str(view.directory), "--chdir", str(view.directory), "--")
    return [*base, *system, "--bind", str(view.scratch), "/tmp", *_shown(view), *_masks(view), *_visible(view), *own]  # noqa: S108


async def probe(program: str, view: View) -> tuple[Sequence[str] | None, str]:
    """The options that keep the inside from making user namespaces, as far as they work here; None, and why, when nothing works."""
    said = ""
    for nesting in (NO_NESTING, ()):
        argv = [*command(program, view, nesting=nesting, status=NOWHERE), "true"]
        process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), PROBE_SECONDS)
        if process.returncode == 0:
            return nesting, ""
        said = output.decode(errors="replace").strip()
    return None, said


def _shown(view: View) -> Iterator[str]:
    """Files and directories below the emptied /tmp, never all of it: what is hidden is masked on top, and no socket is let in by name."""
    emptied = _real([Path(top) for top in EMPTIED])
    for path in _real([*view.shown, OWN_CODE]):
        if any(path != top and path.is_relative_to(top) for top in emptied) and (path.is_dir() or path.is_file()):
            yield from ("--ro-bind-try", str(path), str(path))


def _masks(view: View) -> Iterator[str]:
    homes = {Path("~").expanduser(), Path(os.environ.get("HOME", "/root"))}
    secrets = [home / name for home in sorted(homes) for name in HOME_SECRETS]
    for path in _real([*map(Path, SYSTEM_SECRETS), *secrets, *view.hidden]):
        with suppress(PermissionError):  # what this user cannot see needs no cover
            if path.is_dir():
                yield from ("--tmpfs", str(path))
            elif path.exists():
                yield from ("--ro-bind", "/dev/null", str(path))


def _visible(view: View) -> Iterator[str]:
    """What must be seen although it may lie under something hidden: this Python, what the caller names, names of hosts."""
    over = _real([*view.hidden, Path("/tmp"), Path("/run"), Path("/var/tmp")])  # noqa: S108
    wanted = _real([Path(sys.prefix), Path(sys.base_prefix), *(map(Path, RESOLVER) if view.network else ())])
    covered = [path for path in wanted if any(path.is_relative_to(top) for top in over)]
    for path in (*covered, *view.readable):
        yield from ("--ro-bind-try", str(path), str(path))


def _real(paths: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths))
