"""A real Prometheus of a test's own, on the configuration that is shipped, and a RabbitMQ that shows it its figures."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from taskgrove.local.parts import Program
from taskgrove.local.ports import assign
from taskgrove.local.process import Child
from taskgrove.local.rabbit import Rabbit
from tests.e2e.grove import ROOT, until
from tests.needs import needed

SHIPPED = ROOT / "deploy/prometheus"


class Seen(Rabbit):
    """A node with the plug-in that shows its figures. The local runner's own has none, so that it starts sooner."""

    def _environment(self, program: Program) -> dict[str, str]:
        env = super()._environment(program)
        (self._directory / "enabled_plugins").write_text("[rabbitmq_prometheus].\n", encoding="utf-8")
        with (self._directory / "rabbitmq.conf").open("a", encoding="utf-8") as file:
            file.write(f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self._ports['figures']}\n")
        return {name: value for name, value in env.items() if name != "RABBITMQ_PLUGINS_DIR"}


class Prometheus:
    """What it has seen."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def get(self, path: str, **params: Any) -> Any:
        """One of its answers, or None while it does not answer."""
        try:
            answer = await self._http.get(f"/api/v1/{path}", params=params)
        except httpx2.TransportError:
            return None
        return answer.json()["data"] if answer.status_code == httpx2.codes.OK else None

    async def series(self, expression: str, *, seconds: float) -> int:
        """How many series the query gave figures for within the last `seconds`. Raises when it is refused."""
        now = (await self.get("query", query="time()"))["result"][0]
        found = await self.get("query_range", query=expression, start=float(now) - seconds, end=float(now), step=2)
        assert found is not None, f"Prometheus refuses {expression}"
        return sum(any(value != "NaN" for _, value in series["values"]) for series in found["result"])

    async def scraped(self) -> bool:
        """Whether every target was scraped."""
        targets = (await self.get("targets", state="active") or {}).get("activeTargets")
        return bool(targets) and all(target["health"] == "up" for target in targets)

    async def close(self) -> None:
        """Let go."""
        await self._http.aclose()


@asynccontextmanager
async def prometheus(directory: Path, ports: Mapping[str, int]) -> AsyncIterator[Prometheus]:
    """It runs on the shipped configuration, with these services and `rabbitmq` on this machine, scraped once a second."""
    own = assign(["prometheus"], kept={})["prometheus"]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(_here(ports)), encoding="utf-8")
    shutil.copytree(SHIPPED / "rules", directory / "rules")
    argv = [
        *(needed("prometheus"), f"--config.file={directory / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn"),
    ]
    child = await Child.spawn("prometheus", argv, env={}, log=directory / "prometheus.log")
    seen = Prometheus(f"http://127.0.0.1:{own}")
    try:
        await until(seen.scraped, what="a scrape of every target")
        yield seen
    finally:
        await seen.close()
        await child.stop()


def _here(ports: Mapping[str, int]) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        found = [name for group in job.pop("dns_sd_configs", ()) for name in group["names"]]
        # Here a service is a port, not an address; what is made of its name is as it is shipped.
        groups = [{"targets": [name], "labels": {"__meta_dns_name": name}} for name in found] or job["static_configs"]
        for group in groups:
            group["targets"] = [f"127.0.0.1:{ports[target.partition(':')[0]]}" for target in group["targets"]]
        job["static_configs"] = groups
    return config


@asynccontextmanager
async def seen_rabbit(part: Program, directory: Path) -> AsyncIterator[tuple[str, int]]:
    """A RabbitMQ by its URL, and the port of its figures."""
    ports = assign(["amqp", "dist", "epmd", "figures"], kept={})
    rabbit = Seen(part, directory, ports=ports, log=directory.with_suffix(".log"))
    try:
        await rabbit.start()
        yield rabbit.url, ports["figures"]
    finally:
        await asyncio.shield(rabbit.stop())
