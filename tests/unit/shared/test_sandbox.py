"""What a program in the sandbox cannot do, tried for real. Where only limits hold and no walls, the test says so by asserting it."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.errors import BadInput, MissingPart
from shared.sandbox import Finished, Limits, ProcessControl, Sandbox
from tests.serving import served

MIB = 2**20
ALIVE = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $p 2>/dev/null; echo; done"


@dataclass
class Cell:
    """A sandbox over a hidden data directory, in which one attempt has its work directory beside a secret."""

    sandbox: Sandbox
    data: Path

    @property
    def walls(self) -> bool:
        return self.sandbox.level == "bubblewrap"

    @property
    def directory(self) -> Path:
        return self.data / "attempt" / "work"

    async def sh(self, script: str, **options: object) -> Finished:
        given = {"env": {}, "limits": Limits(seconds=20), **options}
        return await self.sandbox.run(["sh", "-c", script], directory=self.directory, **given)  # type: ignore[arg-type]

    async def python(self, script: str, **options: object) -> Finished:
        given = {"env": {}, "limits": Limits(seconds=20), **options}
        return await self.sandbox.run([sys.executable, "-c", script], directory=self.directory, **given)  # type: ignore[arg-type]


@pytest.fixture(params=["bubblewrap", "process"])
async def cell(request: pytest.FixtureRequest, tmp_path: Path) -> Cell:
    data = tmp_path / "data"
    (data / "attempt" / "work").mkdir(parents=True)
    (data / "other").mkdir()
    (data / "other" / "secret").write_text("broker password")
    try:
        return Cell(await Sandbox.probe(request.param, hidden=[data]), data)
    except MissingPart as error:
        pytest.skip(f"THE WALLS OF THE SANDBOX ARE NOT TESTED HERE: {error}")


async def gone(command: str) -> bool:
    """Whether no process with this command line is left, now or within two seconds."""
    for _ in range(40):
        if not _alive(command):
            return True
        await asyncio.sleep(0.05)
    return False


def _alive(command: str) -> bool:
    return any(command in _read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


async def test_runs_a_program_to_its_end(cell: Cell) -> None:
    lines: list[str] = []
    finished = await cell.sh("echo out; echo err >&2; pwd; exit 3", on_line=lines.append)
    assert (finished.exit_code, finished.signal, finished.timed_out, finished.ok) == (3, None, False, False)
    assert lines == ["out", "err", str(cell.directory)] == finished.output.splitlines()
    assert finished.level == cell.sandbox.level
    assert finished.how() == "exit status 3"


async def test_tells_what_it_cannot_find_and_what_was_killed(cell: Cell) -> None:
    finished = await cell.sandbox.run(["no-such-program"], directory=cell.directory, env={}, limits=Limits(seconds=5))
    assert finished.exit_code == 127
    killed = await cell.sh("kill -SEGV $$")
    assert "SIGSEGV" in killed.how()
    assert not killed.ok


async def test_the_environment_holds_nothing_of_ours(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_BROKER_URL", "amqp://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    finished = await cell.sh("env", env={"TASKGROVE_INPUT_NAME": "value"})
    env = dict(line.split("=", 1) for line in finished.output.splitlines())
    assert set(env) - {"PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PWD", "OLDPWD", "SHLVL", "_"} == {
        *("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "TASKGROVE_INPUT_NAME", "TASKGROVE_SANDBOX"),
    }
    assert env["HOME"] == str(cell.directory)


async def test_reads_what_is_hidden_only_without_walls(cell: Cell) -> None:
    finished = await cell.sh(f"cat {cell.data}/other/secret; cat /etc/shadow; ls -A /run")
    assert ("broker password" in finished.output) is not cell.walls
    if cell.walls:
        assert "root:" not in finished.output
        assert "docker" not in finished.output


async def test_sees_other_processes_only_without_walls(cell: Cell) -> None:
    other = await asyncio.create_subprocess_exec("sleep", f"5{os.getpid()}")
    finished = await cell.sh(ALIVE)
    other.kill()
    await other.wait()
    assert (f"sleep 5{os.getpid()}" in finished.output) is not cell.walls


async def test_writes_outside_only_without_walls(cell: Cell, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    escapes = f"echo x > {outside}/a; ln -s {outside} link; echo x > link/b; echo x > {cell.data}/other/secret"
    await cell.sh(f"{escapes}; echo fine > own; echo fine > $TMPDIR/own")
    assert (cell.directory / "own").read_text() == "fine\n"
    if cell.walls:
        assert list(outside.iterdir()) == []
        assert (cell.data / "other" / "secret").read_text() == "broker password"
    assert [path.name for path in cell.directory.parent.iterdir()] == ["work"], "temporary files are left behind"


async def test_sees_what_is_named_readable(cell: Cell) -> None:
    script = cell.data / "attempt" / "script"
    script.write_text("echo ran")
    finished = await cell.sandbox.run(["sh", str(script)], directory=cell.directory, env={}, limits=Limits(seconds=5), readable=[script])
    assert finished.output == "ran\n"


async def test_shows_what_lies_in_tmp_but_not_what_is_hidden_in_it(cell: Cell) -> None:
    (cell.data.parent / "given").write_text("given by a person")
    argv = ["sh", "-c", f"cat {cell.data.parent}/given; cat {cell.data}/other/secret"]
    limits = Limits(seconds=5)
    finished = await cell.sandbox.run(argv, directory=cell.directory, env={}, limits=limits, shown=[cell.data.parent])
    assert "given by a person" in finished.output
    assert ("broker password" in finished.output) is not cell.walls


async def test_gains_no_rights(cell: Cell) -> None:
    finished = await cell.sh("grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status; umount " + str(cell.data))
    assert "NoNewPrivs:\t1" in finished.output
    if cell.walls:
        assert "CapEff:\t0000000000000000" in finished.output
        assert finished.exit_code != 0


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with served(lambda _reader, _writer: asyncio.sleep(0)) as port:
        yield port


async def test_reaches_the_network_only_when_allowed(cell: Cell, port: int) -> None:
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
    assert (await cell.python(connect, network=True)).ok
    assert (await cell.python(connect)).ok is not cell.walls


async def test_reaches_no_abstract_socket_with_walls(cell: Cell) -> None:
    name = f"\0taskgrove-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        finished = await cell.python(f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})")
    assert finished.ok is not cell.walls


async def test_a_daemon_does_not_outlive_the_task(cell: Cell) -> None:
    mark = f"sleep 7{os.getpid()}"
    finished = await cell.sh(f"setsid sh -c '{mark}' >/dev/null 2>&1 & setsid {mark} & {mark} & sleep 0.2; echo over")
    assert finished.output.strip() == "over"
    assert finished.seconds < 5
    assert await gone(mark)


async def test_the_time_out_ends_all_descendants(cell: Cell) -> None:
    mark = f"sleep 8{os.getpid()}"
    stubborn = f"trap '' TERM; (trap '' TERM; {mark}) & setsid {mark} & while true; do {mark}; done"
    finished = await cell.sh(stubborn, limits=Limits(seconds=0.5))
    assert finished.timed_out
    assert 2.4 < finished.seconds < 8
    assert await gone(mark)


async def test_the_time_out_lets_a_program_clean_up(cell: Cell) -> None:
    finished = await cell.sh("trap 'echo bye; exit 0' TERM; sleep 30 & wait", limits=Limits(seconds=0.3))
    assert finished.timed_out
    assert not finished.ok
    assert finished.output == "bye\n"
    assert finished.seconds < 2


async def test_cancelling_ends_it(cell: Cell) -> None:
    mark = f"sleep 9{os.getpid()}"
    run = asyncio.create_task(cell.sh(f"{mark} & {mark}"))
    await asyncio.sleep(0.3)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await gone(mark)
    assert [path.name for path in cell.directory.parent.iterdir()] == ["work"]


async def test_it_ends_when_its_service_is_killed(cell: Cell) -> None:
    mark = f"sleep 6{os.getpid()}"
    program = f"""
import asyncio
from pathlib import Path
from shared.sandbox import *
run = Sandbox({cell.sandbox.level!r}).run("{mark}".split(), directory=Path({str(cell.directory)!r}), env={{}}, limits=Limits(seconds=60))
asyncio.run(run)
"""
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    while not _alive(mark):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    service.send_signal(signal.SIGKILL)
    await service.wait()
    assert await gone(mark)


async def test_a_file_cannot_grow_past_its_limit(cell: Cell) -> None:
    finished = await cell.sh("head -c 10G /dev/zero > large", limits=Limits(seconds=20, file_bytes=MIB))
    assert not finished.ok
    assert (cell.directory / "large").stat().st_size <= MIB


async def test_memory_is_limited(cell: Cell) -> None:
    finished = await cell.python("x = bytearray(2**30)", limits=Limits(seconds=20, memory_bytes=256 * MIB))
    assert "MemoryError" in finished.output
    assert (await cell.python("import mmap; mmap.mmap(-1, 2**20)", limits=Limits(seconds=20, memory_bytes=256 * MIB))).ok


@pytest.mark.skipif(os.geteuid() == 0, reason="FORK BOMBS ARE NOT COVERED AS ROOT: the kernel does not limit root's processes")
async def test_a_fork_bomb_goes_off_inside(cell: Cell) -> None:
    if not cell.walls:
        pytest.skip("FORK BOMBS ARE NOT COVERED AT LEVEL process: the kernel would count every process of this user")
    finished = await cell.sh("for i in $(seq 100); do sleep 5 & done; wait", limits=Limits(seconds=10, processes=20))
    assert "fork" in finished.output


async def test_endless_output_is_capped(cell: Cell) -> None:
    lines: list[str] = []
    finished = await cell.sh(
        "echo first; yes | head -c 30000000; echo last", limits=Limits(seconds=20, output_bytes=4_096), on_line=lines.append
    )
    assert finished.ok
    assert finished.truncated
    assert len(finished.output) < 4_200
    assert finished.output.startswith("first\n")
    assert finished.output.endswith("last\n")
    assert "bytes left out" in finished.output
    assert len(lines) < 70_000


async def test_long_lines_are_cut(cell: Cell) -> None:
    lines: list[str] = []
    await cell.sh("head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'no end'", on_line=lines.append)
    assert [len(line) for line in lines] == [16 * 1024 + 4, 6]


async def test_pausing_stops_the_work_and_the_clock(cell: Cell) -> None:
    control = ProcessControl()
    lines: list[str] = []
    script = "(for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done) & wait"
    run = asyncio.create_task(cell.sh(script, limits=Limits(seconds=2), control=control, on_line=lines.append))
    while len(lines) < 2:
        await asyncio.sleep(0.01)
    control.pause()
    await asyncio.sleep(0.1)
    seen = len(lines)
    await asyncio.sleep(2.2)
    assert len(lines) == seen
    control.resume()
    finished = await run
    assert finished.ok
    assert len(lines) == 8


async def test_a_paused_run_can_be_cancelled_and_one_may_start_paused(cell: Cell) -> None:
    control = ProcessControl()
    lines: list[str] = []
    control.pause()
    run = asyncio.create_task(cell.sh("sleep 0.3; echo x", control=control, on_line=lines.append))
    await asyncio.sleep(0.8)
    assert lines == []
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves only these programs on PATH."""

    def set_path(**programs: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, target in programs.items():
            (folder / name).symlink_to(target)
        monkeypatch.setenv("PATH", str(folder))

    return set_path


UTIL_LINUX = {"setpriv": "/usr/bin/setpriv", "prlimit": "/usr/bin/prlimit"}


async def test_the_required_level_is_had_or_refused(only: Callable[..., None]) -> None:
    only(**UTIL_LINUX)
    with pytest.raises(MissingPart, match="apt-get install bubblewrap"):
        await Sandbox.probe("bubblewrap")
    assert (await Sandbox.probe()).level == "process"
    with pytest.raises(BadInput, match="bubblewrap, process"):
        await Sandbox.probe("docker")


async def test_a_bubblewrap_that_does_not_work_is_not_used(only: Callable[..., None]) -> None:
    only(**UTIL_LINUX, bwrap="/bin/false", true="/bin/true")
    assert (await Sandbox.probe()).level == "process"


async def test_many_at_once(cell: Cell) -> None:
    start = time.monotonic()
    finished = await asyncio.gather(*(cell.sh("echo $$") for _ in range(20)))
    assert all(one.ok for one in finished)
    assert time.monotonic() - start < 10
