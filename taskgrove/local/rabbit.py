"""A private RabbitMQ: an unprivileged node that shares nothing with one the machine may already run, and leaves no process behind."""

import asyncio
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from shared.messaging.definitions import ADMIN, definitions
from taskgrove.local import docker
from taskgrove.local.home import write_atomically
from taskgrove.local.parts import Image, Part, Program, find_epmd
from taskgrove.local.process import Child

START_SECONDS = 90.0
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
CONNECTION_START = (1, 10, 10)
IN_IMAGE = Path("/var/lib/rabbitmq")


class Rabbit:
    """One node over one directory. `ports` has amqp, dist (Erlang distribution) and epmd (Erlang's port mapper)."""

    name = "rabbitmq"

    def __init__(
        self, part: Part, directory: Path, *, ports: dict[str, int], log: Path, passwords: Mapping[str, str] | None = None
    ) -> None:
        """`passwords`: of `admin`, `publisher` and each service, which has its slice; without them `guest` may do everything."""
        self._passwords = passwords or {}
        self.child: Child | None = None
        self._epmd: Child | None = None
        self._part = part
        self._directory = directory
        self._ports = ports
        self._log = log

    @property
    def children(self) -> list[Child]:
        """The node, then the port mapper that it needs to its end."""
        return [child for child in (self.child, self._epmd) if child]

    @property
    def url(self) -> str:
        """For who may do everything."""
        return self.url_of(ADMIN)

    def url_of(self, user: str) -> str:
        """For one user; where there are no users, for all."""
        who = f"{user}:{self._passwords[user]}" if self._passwords else "guest:guest"
        return f"amqp://{who}@127.0.0.1:{self._ports['amqp']}/"

    async def start(self) -> None:
        """Start and come back when it speaks AMQP; a `ping` of the node would answer seconds too early."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.child = child = await self._spawn()
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await speaks_amqp(self._ports["amqp"]):
                    if not child.running:
                        raise child.failure("Is the disk full, or is the port taken?")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise child.failure(f"It had {START_SECONDS:.0f} s.") from None

    async def stop(self) -> None:
        """End the node in order, then its port mapper."""
        for child in self.children:
            await child.stop()
        if isinstance(self._part, Image):
            await docker.remove(self._container)

    @property
    def _container(self) -> str:
        return docker.container_name(self.name, self._directory)

    async def _spawn(self) -> Child:
        if isinstance(self._part, Image):
            await docker.remove(self._container)
            options = ["--publish", f"127.0.0.1:{self._ports['amqp']}:5672", "--hostname", "taskgrove"]
            options += ["--volume", f"{self._directory}:{IN_IMAGE}"]
            if self._passwords:
                conf = self._directory / "users.conf"
                conf.write_text(f"load_definitions = {IN_IMAGE / self._write_definitions().name}\n", encoding="utf-8")
                options += ["--volume", f"{conf}:/etc/rabbitmq/conf.d/20-users.conf:ro"]
            argv = docker.run_command(self._part, self._container, options=options)
            return await Child.spawn(self.name, argv, env=os.environ, log=self._log)
        env = self._environment(self._part)
        if not (self._epmd and self._epmd.running):
            # RabbitMQ would start this itself, as a daemon that nobody ends.
            self._epmd = await Child.spawn("epmd", [str(find_epmd()), "-port", env["ERL_EPMD_PORT"]], env=env, log=self._log)
        return await Child.spawn(self.name, [str(self._part.path)], env=env, log=self._log)

    def _environment(self, program: Program) -> dict[str, str]:
        """Every place and port that a second node on this machine could trip over, set to our own."""
        here = self._directory
        self._write_config(program)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(here),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "RABBITMQ_NODENAME": "taskgrove@localhost",
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_PLUGINS_DIR": str(here / "plugins"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S {min(4, os.cpu_count() or 1)} -kernel inet_dist_use_interface {{127,0,0,1}}",
            # Without this the server script stays as a parent and has to be told apart from the node when it is signalled.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_config(self, program: Program) -> None:
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self._ports['amqp']}",
            "log.console": "true",
            "log.file": "false",
            "disk_free_limit.absolute": "100MB",
            "raft.wal_max_size_bytes": "67108864",
        }
        if self._passwords:
            settings["load_definitions"] = str(self._write_definitions())
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        (self._directory / "rabbitmq.conf").write_text("".join(lines), encoding="utf-8")
        (self._directory / "enabled_plugins").write_text("[].\n", encoding="utf-8")
        _only_the_core(program, self._directory / "plugins")

    def _write_definitions(self) -> Path:
        """Read at every start: a node that lost its data has users, exchanges and queues again."""
        path = self._directory / "definitions.json"
        write_atomically(path, json.dumps(definitions(self._passwords)))
        return path


def _only_the_core(program: Program, directory: Path) -> None:
    """A plugin directory that holds nothing but the server itself: looking through all forty takes a fifth of the start."""
    directory.mkdir(exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    install = program.path.resolve().parent.parent
    for found in (*install.glob("lib/rabbitmq_server-*/plugins/rabbit-[0-9]*"), *install.glob("plugins/rabbit-[0-9]*")):
        (directory / found.name).symlink_to(found)


async def speaks_amqp(port: int) -> bool:
    """Whether a broker on `port` answers the protocol header with Connection.Start."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(PROTOCOL_HEADER)
                kind, _channel, _size, class_id, method_id = struct.unpack(">BHIHH", await reader.readexactly(11))
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    return (kind, class_id, method_id) == CONNECTION_START
