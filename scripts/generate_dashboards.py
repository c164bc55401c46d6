"""Writes the Grafana dashboard from `dashboard_panels`. A test compares, and asks a real Prometheus for every query."""

# ruff: noqa: INP001 (a script, run by its path)

import sys
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Panel, Threshold, ThresholdsMode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.dashboard_panels import ROWS, Show  # noqa: E402 (the line above makes it findable)

FILE = "deploy/grafana/dashboards/taskgrove-overview.json"
UID = "taskgrove-overview"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
STAT_SIZE, SIZE = (4, 4), (8, 8)


def overview() -> str:
    """The dashboard as JSON, in the form that every Grafana since 8 reads from files."""
    board = (
        dashboard.Dashboard("Taskgrove")
        .uid(UID)
        .description("Is it healthy, is work moving, what waits on people, what does it cost, what went wrong.")
        .tags(["taskgrove"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for title, panels in ROWS:
        board.with_row(dashboard.Row(title))
        for shown in panels:
            board.with_panel(_panel(shown))
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board.build()) + "\n"


def _panel(shown: Show) -> Builder[Panel]:
    panel = _stat(shown) if shown.stat else _lines(shown)
    height, span = STAT_SIZE if shown.stat else SIZE
    panel.title(shown.title).description(shown.description).unit(shown.unit).min(0).datasource(SOURCE).height(height).span(span)
    for number, query in enumerate(shown.queries):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + number)).expr(query.expression).legend_format(query.legend)
        panel.with_target(target.datasource(SOURCE).instant() if shown.stat else target.datasource(SOURCE))
    return panel


def _stat(shown: Show) -> stat.Panel:
    steps = [Threshold(color="green", value=None)]
    if shown.bad_from is not None:
        steps.append(Threshold(color="red", value=shown.bad_from))
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().reduce_options(reduced).thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))


def _lines(shown: Show) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    panel = timeseries.Panel().legend(legend).fill_opacity(60 if shown.stacked else 10)
    return panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)) if shown.stacked else panel


def main() -> None:
    """Write it."""
    (ROOT / FILE).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / FILE).write_text(overview(), encoding="utf-8")


if __name__ == "__main__":
    main()
