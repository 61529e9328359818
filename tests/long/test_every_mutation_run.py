"""Every mutated config of tests/mutations.py, through Snakemake."""

import pytest
from mutations import check, mutations

MUTATIONS = mutations()


@pytest.mark.parametrize("what", MUTATIONS)
def test_one_line_and_nothing_written(what, served, tmp_path):
    check(MUTATIONS[what][0], served, tmp_path)
