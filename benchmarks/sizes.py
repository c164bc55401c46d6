"""How much is measured: all of it, or what a guard in CI needs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of tasks, runs and processes, and seconds. The defaults are those that the bars are for."""

    rounds: int = 3
    tasks: int = 10_000
    links: int = 500
    peer_tasks: int = 2_000
    peer_links: int = 100
    counted_tasks: int = 2_000
    counted_links: int = 100
    waiting: int = 5_000
    median_task_seconds: float = 0.5
    growth: tuple[int, ...] = (1_000, 10_000, 100_000)
    group: int = 1_000
    runs_at_once: tuple[int, ...] = (1, 10, 100, 1_000)
    wide: int = 20_000
    layer: int = 200
    layers: int = 5
    replicas: tuple[int, ...] = (1, 2, 4)
    computing: int = 1_000
    submitted: int = 10_000
    idle_seconds: float = 20.0
    commands: int = 10
    crowd: int = 50_000
    alone: int = 5
    flood: int = 100_000
    flood_run: int = 20_000
    flood_seconds: float = 30.0
    killed: int = 200


QUICK = Sizes(
    tasks=5_000,
    links=100,
    peer_tasks=500,
    peer_links=50,
    counted_tasks=500,
    counted_links=20,
    waiting=500,
    median_task_seconds=0.05,
    growth=(200, 1_000, 2_000),
    group=200,
    runs_at_once=(1, 10, 50),
    wide=1_000,
    layer=110,
    layers=3,
    replicas=(1, 2),
    computing=150,
    submitted=1_000,
    idle_seconds=5.0,
    commands=3,
    crowd=2_000,
    alone=3,
    flood=3_000,
    flood_run=1_000,
    flood_seconds=3.0,
    killed=50,
)
"""`--quick`: the same paths in a minute or two; the bars are not for these sizes."""
