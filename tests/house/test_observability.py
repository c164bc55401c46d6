"""Dashboard and alerts: regenerated they are the same, they only ask for what the code declares, and each alert is tested both ways."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import promql_parser
import pytest
import yaml

from scripts.docs.metrics import declared
from scripts.generate_dashboards import FILE, UID, overview
from tests.house.sources import ROOT, SERVICES
from tests.needs import needed

PROMETHEUS = ROOT / "deploy/prometheus"
RULES, CASES = PROMETHEUS / "rules/taskgrove.yml", PROMETHEUS / "rules/taskgrove_test.yml"
RUNBOOK = ROOT / "docs/how-to/alerts.md"
FOREIGN = {"up", "rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_consumers"}
"""What Prometheus itself and RabbitMQ give."""
UNBOUNDED = {"run", "run_id", "task", "task_id", "user", "attempt", "principal", "path", "id"}
ALERT = re.compile(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}')


@cache
def board() -> dict[str, Any]:
    return dict(json.loads((ROOT / FILE).read_text(encoding="utf-8")))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


@cache
def rules() -> tuple[dict[str, Any], ...]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return tuple(rule for group in document["groups"] for rule in group["rules"])


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@cache
def known() -> frozenset[str]:
    ours = {sample for service in SERVICES for metric in declared(service) for sample in metric.samples}
    return frozenset(ours | FOREIGN | {rule["record"] for rule in rules() if "record" in rule})


def named(expression: str) -> set[str]:
    """The metrics that a query names. Raises when it is no PromQL."""
    return set(_names(promql_parser.parse(expression.replace("$__rate_interval", "5m"))))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for part in ("expr", "lhs", "rhs", "vector_selector"):
        below = getattr(node, part, None)
        if below is not None:
            yield from _names(below)
    for argument in getattr(node, "args", None) or ():
        yield from _names(argument)


def promtool(*arguments: str, given: str | None = None) -> None:
    run = subprocess.run([needed("promtool"), *arguments], capture_output=True, text=True, check=False, input=given, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_dashboard_is_up_to_date() -> None:
    assert (ROOT / FILE).read_text(encoding="utf-8") == overview(), "run: make docs"


def test_the_dashboard_is_one_and_asks_the_source_that_is_chosen() -> None:
    assert board()["uid"] == UID
    variables = board()["templating"]["list"]
    assert [(variable["name"], variable["type"]) for variable in variables] == [("datasource", "datasource")]
    sources = [panel["datasource"]["uid"] for panel in panels()]
    sources += [target["datasource"]["uid"] for panel in panels() for target in panel["targets"]]
    assert set(sources) == {"${datasource}"}


def test_every_panel_has_a_title_a_description_and_a_unit() -> None:
    bare = [
        p["title"] for p in panels() if not (p["title"] and p["description"].endswith(".") and p["fieldConfig"]["defaults"].get("unit"))
    ]
    assert bare == []
    titles = [(row, panel["title"]) for row, panel in _with_rows()]
    assert len(titles) == len(set(titles))
    assert all(panel["targets"] for panel in panels())


def _with_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    row = ""
    for panel in board()["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            yield row, panel


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("expression", sorted({*queries(), *(rule["expr"] for rule in rules())}))
def test_a_query_names_what_the_code_declares(expression: str) -> None:
    assert named(expression)
    assert named(expression) - known() == set()


@pytest.mark.parametrize("expression", sorted(set(queries())))
def test_a_rate_is_taken_over_the_interval_that_grafana_chooses(expression: str) -> None:
    assert all(interval in ("$__rate_interval", "1h") for interval in re.findall(r"\[([^\]]+)\]", expression.replace("[.]", "")))


def test_labels_are_bounded() -> None:
    found = {f"{m.name}: {label}" for service in SERVICES for m in declared(service) for label in m.labels if label in UNBOUNDED}
    assert found == set()


def test_names_follow_the_rules_of_prometheus() -> None:
    ours = {metric for service in SERVICES for metric in declared(service) if metric.name.startswith("taskgrove")}
    assert [metric.name for metric in ours if (metric.type == "counter") != metric.name.endswith("_total")] == []
    assert [metric.name for metric in ours if re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)", metric.name)] == []
    assert [metric.name for metric in ours if not metric.help.endswith(".")] == []


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    name = alert["alert"]
    assert alert["annotations"]["runbook_url"] == f"{RUNBOOK.relative_to(ROOT)}#{name.lower()}"
    assert f"\n## {name}\n" in RUNBOOK.read_text(encoding="utf-8"), f"docs/how-to/alerts.md has nothing on {name}"


def test_each_alert_has_a_case_that_fires_and_one_that_stays_quiet() -> None:
    fires, quiet = set(), set()
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]:
        for test in case["promql_expr_test"]:
            match = ALERT.fullmatch(test["expr"])
            assert match, test["expr"]
            (fires if test["exp_samples"] else quiet).add(match[1])
    names = {alert["alert"] for alert in alerts()}
    assert (fires, quiet) == (names, names)


def test_the_runbook_has_no_alert_that_is_gone() -> None:
    headings = re.findall(r"^## (Taskgrove\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(alert["alert"] for alert in alerts())


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_the_cases_of_the_rules_come_true() -> None:
    promtool("test", "rules", str(CASES))


def test_the_configuration_is_one_and_scrapes_the_five() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    jobs = {job["job_name"]: job for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]}
    (found,) = jobs["taskgrove"]["dns_sd_configs"]
    assert (found["names"], found["type"], found["port"]) == (list(SERVICES), "A", 8080)
    assert jobs["taskgrove"]["relabel_configs"] == [{"source_labels": ["__meta_dns_name"], "target_label": "service"}]
