"""Start the executor: `python -m services.executor`."""

from services.executor.wiring import wire
from shared.service import run
from shared.settings import CommonSettings

if __name__ == "__main__":
    run("executor", CommonSettings, wire)
