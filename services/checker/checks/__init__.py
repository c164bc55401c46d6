"""The checks of this checker: the built-in ones, and those that other packages offer as entry points."""

from services.checker.checks.base import Check, Judging, NotJudged, Subject, Tools
from services.checker.checks.command import Command
from services.checker.checks.contains import Contains
from services.checker.checks.file import FileExists
from services.checker.checks.model import ModelJudge
from services.checker.checks.schema import Schema
from shared.catalogue.checks import known_checks
from shared.plugins import brought, refuse_unmatched

GROUP = "taskgrove.checks"

__all__ = ["Check", "Judging", "NotJudged", "Subject", "Tools", "checks"]


def checks(tools: Tools) -> dict[str, Check]:
    """All checks by kind. An entry point is a function that takes the tools and gives a check; it is known by its own name."""
    own: tuple[Check, ...] = (Command(tools), FileExists(), Contains(tools), Schema(tools), ModelJudge(tools))
    known: dict[str, Check] = {check.kind: check for check in own}
    known |= brought(GROUP, known, make=lambda factory: factory(tools))
    refuse_unmatched("check", offered=known, known=known_checks())
    return known
