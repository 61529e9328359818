"""The page of results: our numbers from the files, the paper's from paper.yaml, remarks as written."""

import pandas as pd
import pytest

from rewardscope.errors import UserError
from rewardscope.report.page import table, write
from rewardscope.text import markdown


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run/tables").mkdir(parents=True)
    (tmp_path / "run/figures").mkdir()
    row = {
        "model": "tiny",
        "reward": "utility",
        "m_base": 10.04,
        "m_rlhf": 1234.5,
        "difference": 2.0,
        "ci_low": -1.0,
        "ci_high": 5.0,
        "promotes_signed_net": 3.0,
        "promotes_signed_net_ci_low": 1.0,
        "promotes_signed_net_ci_high": 4.0,
        "over_twin": None,
        "runs": 3,
    }
    pd.DataFrame([row]).to_csv(tmp_path / "run/tables/table3.csv", index=False)
    pd.DataFrame([{"model": "tiny", "reward": "utility", "layer": 0, "divergence": 1.5}]).to_csv(tmp_path / "run/figures/figure3.csv", index=False)
    (tmp_path / "run/figures/figure3.png").write_bytes(b"a picture")
    (tmp_path / "remarks.yaml").write_text("head: '# Title'\ntable3: It differs | a bit.\n")
    return tmp_path


def test_a_page(folder):
    write([folder / "nothing", folder / "run"], folder / "remarks.yaml", folder / "docs/page.md")
    lines = (folder / "docs/page.md").read_text().splitlines()
    assert lines[0] == "# Title"
    assert "| tiny | utility | 10 | 1234 | 2 (-1 to 5) | 3 (1 to 4) | 3 |" in lines  # the empty over_twin is left out
    assert "| pythia-70m | 61.2 | 94.3 |" in lines and "It differs | a bit." in lines
    assert lines.index("## Table 3: utility of the explanations") < lines.index("## Figure 3: parameter divergence")
    assert "![Figure 3: parameter divergence](figures/figure3.png)" in lines
    assert (folder / "docs/figures/figure3.png").read_bytes() == b"a picture"
    assert not [line for line in lines if line.startswith("## Table 4")]


def test_a_name_has_no_interval():
    """The column `reward` is a name; `reward_ci_low` is of `reward_difference`."""
    row = {"reward": "utility", "reward_difference": 1.0, "reward_ci_low": 0.5, "reward_ci_high": 1.5}
    assert table(pd.DataFrame([row]), ["reward", "reward_difference"]).splitlines()[-1] == "| utility | 1 (0.5 to 1.5) |"


def test_a_pipe_in_a_cell_stays_in_its_cell():
    assert markdown(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"


def test_a_cell_s_text_moves_nothing():
    assert markdown(["a"], [["x\x1b[2J\u202e|\ny"]]).splitlines()[-1] == "| x·[2J·\\| y |"


@pytest.mark.parametrize(("remarks", "said"), [("nowhere.yaml", "cannot be read"), ("remarks.yaml", "no table or figure there")])
def test_what_is_not_there_is_said(folder, remarks, said):
    with pytest.raises(UserError, match=said):
        write([folder / "nothing"], folder / remarks, folder / "page.md")
