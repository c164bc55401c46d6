"""Start the checker: `python -m services.checker`."""

from services.checker.wiring import wire
from shared.service import run
from shared.settings import CommonSettings

if __name__ == "__main__":
    run("checker", CommonSettings, wire)
