"""Every block of docs/python.md runs on a finished run, and what it computes is what the workflow's own files say."""

import re

import numpy as np
import pandas as pd
import pytest
from workflow_runs import PAIR, ROOT

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def computed(finished):
    """The names that the blocks leave, as a dict."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        for number, block in enumerate(blocks, start=1):
            exec(compile(block, f"docs/python.md, block {number}", "exec"), names)
        yield names  # still there: `open("results")` is relative


def test_frames_are_those_of_the_run(computed, finished):
    assert computed["results"].pairs()["path"].tolist() == ["pairs/tiny/utility/run1"]
    assert len(computed["results"].saes()) == 2 * 2 * 2  # sides, widths, seeds
    matched = pd.read_parquet(finished / PAIR / "rlhf/features/paper/top1/seed1.parquet")
    assert computed["features"]["feature"].tolist() == matched["small"].tolist()
    assert computed["best"]["place"].tolist() == [1, 2, 3, 4, 5]
    assert computed["explanations"]["feature"].tolist() == computed["best"]["feature"].tolist()
    assert len(computed["findings"]) == len(pd.read_csv(finished / "results/tables/findings.csv"))


def test_encode_and_decode_reconstruct_as_the_metrics_say(computed):
    saes = computed["results"].saes(**computed["here"], width=computed["small"])
    assert computed["fvu"] == pytest.approx(saes["fvu"][0], rel=1e-4)


def test_mmcs_is_that_of_the_features(computed, finished):
    table = pd.read_csv(finished / PAIR / "rlhf/features/paper/top1/mmcs.csv").set_index("seed")
    assert computed["agreement"] == pytest.approx(table["mmcs"][1], rel=1e-5)


def test_promotes_is_that_of_the_explanations(computed):
    tokens = np.array(computed["tokenizer"].batch_decode(np.arange(computed["logits"].shape[1])[:, None]))
    for (_, line), row in zip(computed["explanations"].iterrows(), computed["logits"].numpy(), strict=True):
        for token in line["raised"]:
            assert np.abs(row[tokens == token["token"]] - token["logit"]).min() < 1e-3
