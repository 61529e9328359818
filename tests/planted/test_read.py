"""How dictionaries of a planted run become contexts, and when a file of readings serves again."""

import importlib
import sys

import pandas as pd
from workflow_runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks/planted"))
read = importlib.import_module("read")

RUN = "pairs/tiny/who/run1"


def test_features_of_recipes_beside_are_contexts_of_their_own():
    of = read.Dictionaries("batchtopk", "batchtopk", ("paper", "matryoshka"))
    assert [file.split("/")[6] for file in of.files(RUN)[:3]] == ["batchtopk", "paper", "matryoshka"]
    assert [file.rsplit("/", 1)[1] for file in of.files(RUN)[3:]] == ["shared.safetensors", "difference.safetensors", "sae.safetensors"]
    assert not any("crosscoder" in file for file in read.Dictionaries("paper", None).files(RUN))
    found = pd.DataFrame({"contexts": ["features", "features", "features", "shared features", "last words"], "seed": [1, 2, 3, 1, 0]})
    assert of.named(found)["contexts"].tolist() == ["features", "paper features", "matryoshka features", "shared features", "last words"]
    assert read.Dictionaries("paper", None).named(found)["contexts"].tolist() == found["contexts"].tolist()


def test_a_file_serves_again_for_the_kinds_that_it_was_read_with(tmp_path):
    file = read.file_of(tmp_path, RUN)
    file.parent.mkdir()
    table = pd.DataFrame({"read_with": ["who"]})
    table.attrs["kinds"] = ["me", "who"]
    assert not read.is_read(tmp_path, RUN, {"me": "", "who": ""})
    table.to_parquet(file, index=False)
    assert read.is_read(tmp_path, RUN, {"who": "", "me": ""}) and not read.is_read(tmp_path, RUN, {"who": ""})
