"""Start the sequencer: `python -m services.sequencer`."""

from services.sequencer.wiring import wire
from shared.service import run
from shared.settings import CommonSettings

if __name__ == "__main__":
    run("sequencer", CommonSettings, wire)
