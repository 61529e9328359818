"""The lines of tests/mutants.yaml are those of today's modules."""

import pytest
from mutants import IDS, MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_the_line_stands_once(mutant):
    text = mutant.file(ROOT / "src").read_text(encoding="utf-8")
    assert text.count(mutant.line) == 1 and "\n" not in mutant.line
    compile(text.replace(mutant.line, mutant.mutant), mutant.module, "exec")  # only its meaning changes
    assert mutant.mutant != mutant.line and (ROOT / mutant.test).is_file()
