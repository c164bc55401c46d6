"""Start the planner: `python -m services.planner`."""

from services.planner.wiring import wire
from shared.service import run
from shared.settings import CommonSettings

if __name__ == "__main__":
    run("planner", CommonSettings, wire)
