"""`rewardscope.open` on a folder laid out by hand, and that the package itself imports nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import rewardscope
from rewardscope.errors import UserError

METRICS = {"fvu": 0.5, "l0": 2.0, "mse": 1.0, "dead": 0.0, "tokens": 9, "l1": 3.0}


@pytest.fixture
def results(tmp_path) -> Path:
    """Two runs of a pair and a given checkpoint, which share the base side."""
    sites = [f"pairs/tiny/{pair}" for pair in ("utility/run1", "utility/run2", "audited/run1")]
    for number, site in enumerate(sites):
        (tmp_path / site).mkdir(parents=True)
        (tmp_path / site / "layers.json").write_text('{"top1": 2}')
        lay_out(tmp_path / site / "rlhf", number + 1.0)
    (tmp_path / sites[2] / "rlhf/source.json").write_text("{}")
    lay_out(tmp_path / "bases/tiny", 9.0)
    return tmp_path


def lay_out(site: Path, value: float) -> None:
    """A dictionary of two widths, whose rows are all `value`, and features."""
    for width in (2, 4):
        folder = site / f"saes/paper/top1/width{width}/seed1"
        folder.mkdir(parents=True)
        save_file({"w_enc": torch.full((width, 3), value), "b_enc": torch.zeros(width), "b_dec": torch.zeros(3)}, folder / "sae.safetensors")
        (folder / "cfg.json").write_text(json.dumps({"l1": 0.1, "tied": True}))
        (folder / "metrics.json").write_text(json.dumps(METRICS))
        (folder.parent / ".seed2.partial").mkdir()  # a job at work
    (site / "features/paper/top1").mkdir(parents=True)
    pd.DataFrame({"place": [1, 2], "small": [1, 0], "large": [3, 2], "cosine": [0.9, 0.8]}).to_parquet(site / "features/paper/top1/seed1.parquet")


def test_pairs_and_places(results):
    opened = rewardscope.open(results)
    pairs = opened.pairs()
    assert pairs["path"].tolist() == ["pairs/tiny/audited/run1", "pairs/tiny/utility/run1", "pairs/tiny/utility/run2"]
    assert pairs["tuned_here"].tolist() == [False, True, True]
    assert opened.pairs(reward="utility", run=2)["path"].tolist() == ["pairs/tiny/utility/run2"]
    places = opened.places()
    assert len(places) == 4 and len(opened.saes()) == 8 and set(places["layer"]) == {2} and "width" not in places


def test_a_shared_base_belongs_to_every_pair(results):
    opened = rewardscope.open(results)
    assert opened.places(reward="utility", run=2)["side"].tolist() == ["base", "rlhf"]
    assert len(opened.features(reward="utility")) == 6 and len(opened.features(reward="utility", side="rlhf", run=1)) == 2
    assert len(opened.features(reward="nothing", side="rlhf")) == 0


def test_an_autoencoder_is_the_one_that_was_asked_for(results):
    opened = rewardscope.open(results)
    one = opened.sae(reward="utility", run=2, side="rlhf", width=4)
    assert one.rows.shape == (4, 3) and set(one.rows.flatten().tolist()) == {2.0} and one.cfg["l1"] == 0.1
    assert one.encode(torch.ones(5, 3)).tolist() == [[6.0] * 4] * 5
    assert set(opened.sae(reward="utility", run=2, side="base", width=2).rows.flatten().tolist()) == {9.0}
    with pytest.raises(UserError, match=r"2 autoencoders have these values, it must be one; `saes\(\)` lists all \(pairs/tiny/utility/run1"):
        opened.sae(reward="utility", side="rlhf", run=1)
    with pytest.raises(UserError, match="0 autoencoders have these values"):
        opened.sae(width=3)


def test_what_cannot_be_asked(results, tmp_path):
    with pytest.raises(UserError, match="no results folder"):
        rewardscope.open(tmp_path / "nowhere")
    opened = rewardscope.open(results)
    with pytest.raises(UserError, match="no column colour; there are model, reward"):
        opened.features(colour="red")
    with pytest.raises(UserError, match="findings.csv: cannot be read .*`snakemake .*findings.csv` makes it"):
        opened.findings()
    assert opened.explanations().empty


def test_the_package_imports_nothing_until_it_is_asked():
    code = (
        "import sys, rewardscope\n"
        "assert {'open', 'load_sae', 'mmcs', 'promotes'} <= set(dir(rewardscope))\n"
        "assert not {'torch', 'pandas', 'numpy', 'transformers', 'pyarrow'} & set(sys.modules)\n"
        "assert rewardscope.mmcs.__module__ == 'rewardscope.sae.match' and 'torch' not in sys.modules\n"
        "from rewardscope import stats, __version__\n"
        "try: rewardscope.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
        "else: raise SystemExit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_taken_from_the_package_is_where_it_is_made():
    from rewardscope.export.results import open_results
    from rewardscope.export.saelens import load_sae
    from rewardscope.models.models import promoted
    from rewardscope.sae.match import mmcs

    assert (rewardscope.open, rewardscope.load_sae, rewardscope.promotes, rewardscope.mmcs) == (open_results, load_sae, promoted, mmcs)
