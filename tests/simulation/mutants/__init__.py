"""Mistakes that the simulation must find: the test of the test."""

from tests.simulation.mutants.mutant import Mutant
from tests.simulation.mutants.sequencing import SEQUENCING
from tests.simulation.mutants.working import WORKING

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = (*SEQUENCING, *WORKING)
