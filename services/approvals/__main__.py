"""`python -m services.approvals`: settings, wiring, run."""

from services.approvals.wiring import wire
from shared.service import run
from shared.settings import CommonSettings


def main() -> None:
    """The whole life of the process."""
    run("approvals", CommonSettings, wire)


if __name__ == "__main__":
    main()
