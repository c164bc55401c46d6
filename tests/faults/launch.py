"""One service as it is, over ports that a test put around the real ones: `python -m tests.faults.launch executor`."""

import sys
from importlib import import_module

from shared.clock import ServerClock
from shared.messaging.port import Broker
from shared.service import connect, run
from shared.settings import CommonSettings
from shared.storage.port import Database
from tests.faults.failpoints import PointedBroker, PointedDatabase, Points


def main(name: str) -> None:
    """The whole life of the process."""
    points = Points.of_environment()

    def pointed(service: str, settings: CommonSettings, clock: ServerClock) -> tuple[Broker, Database]:
        broker, database = connect(service, settings, clock)
        return PointedBroker(broker, points), PointedDatabase(database, points)

    run(name, CommonSettings, import_module(f"services.{name}.wiring").wire, connect=pointed)


if __name__ == "__main__":
    main(sys.argv[1])
