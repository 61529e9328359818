"""Mutants: changes of one line that a test must notice (tests/mutants.yaml)."""

from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]


class Mutant(NamedTuple):
    module: str
    """below src/rewardscope, without .py"""
    line: str
    """what is replaced: a part of one line of the module"""
    mutant: str
    test: str
    """the file of the test that must fail"""

    def file(self, source: Path) -> Path:
        """The module in a folder like src/."""
        return source / "rewardscope" / f"{self.module}.py"


MUTANTS = [Mutant(**entry) for entry in yaml.safe_load((ROOT / "tests" / "mutants.yaml").read_text(encoding="utf-8"))]
IDS = [f"{i} {mutant.module}" for i, mutant in enumerate(MUTANTS, start=1)]
