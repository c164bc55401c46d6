"""Who says and who hears what: the events, the tables of handlers and the queues tell the same story."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from shared.contracts.base import Event
from shared.messaging.topology import DEAD_QUEUE, events, queue_of, queues
from tests.house.sources import ROOT, SERVICES, services, sources

EVERY = pytest.mark.parametrize("event", events(), ids=lambda event: event.name)


@EVERY
def test_an_event_has_a_speaker_and_hearers_that_exist(event: type[Event]) -> None:
    assert event.said_by in SERVICES
    assert event.heard_by
    assert set(event.heard_by) <= set(SERVICES)
    assert len(set(event.heard_by)) == len(event.heard_by)


@EVERY
def test_it_is_declared_in_its_speakers_file(event: type[Event]) -> None:
    assert event.__module__ == f"shared.contracts.{event.said_by}"
    assert event.__doc__


@EVERY
def test_nobody_else_says_it_and_its_speaker_does(event: type[Event]) -> None:
    """Told by who calls its class, and by who knows it. Who hears it may take something else for one."""
    calls, knows = set(), set()
    for source in sources():
        if source.path.relative_to(ROOT).parts[0] == "services":
            service = source.path.relative_to(ROOT).parts[1]
            nodes = list(ast.walk(source.tree))
            calls |= {service for node in nodes if isinstance(node, ast.Call) and _is_called(node, event)}
            knows |= {service for node in nodes if isinstance(node, ast.Name) and node.id == event.__name__}
    assert calls <= {event.said_by, *event.heard_by}
    assert event.said_by in knows or not (ROOT / "services" / event.said_by / "wiring.py").exists()


def _is_called(node: ast.Call, event: type[Event]) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == event.__name__


@pytest.mark.parametrize("folder", services(), ids=lambda folder: folder.name)
def test_a_service_hears_what_the_events_say_that_it_hears(folder: Path) -> None:
    hears = import_module(f"services.{folder.name}.handlers").HEARS
    assert {event.name for event in hears} == {event.name for event in events() if folder.name in event.heard_by}


@pytest.mark.parametrize("folder", services(), ids=lambda folder: folder.name)
def test_the_table_stands_last_and_its_handlers_are_named_and_explained(folder: Path) -> None:
    module = import_module(f"services.{folder.name}.handlers")
    last = ast.parse(Path(str(module.__file__)).read_text()).body[-1]
    target = last.target if isinstance(last, ast.AnnAssign) else last.targets[0] if isinstance(last, ast.Assign) else None
    assert isinstance(target, ast.Name)
    assert target.id == "HEARS"
    for handler in module.HEARS.values():
        assert handler.__name__.startswith("on_")
        assert handler.__doc__


def test_queues_follow_from_the_events() -> None:
    by_name = {queue.name: queue for queue in queues()}
    assert set(by_name) == {DEAD_QUEUE, *(queue_of(service) for event in events() for service in event.heard_by)}
    assert by_name[DEAD_QUEUE].dead
    for event in events():
        for service in SERVICES:
            assert (event.name in by_name[queue_of(service)].keys) == (service in event.heard_by)
