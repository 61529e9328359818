"""What tables share: explanation files by place, the words in them that count, and their sums by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from explanation_lines import line, place

from rewardscope.errors import UserError
from rewardscope.tables.explained import controls, explanations, places, pooled, promoted, score, shared, spoken

TABLE = {"good": 2.0, "bad": -3.0, "great": 4.0, "fine": 1.0, "made": 0.5, "fires": 100.0}


def test_score_by_hand():
    sums = score(["good, bad. Good film", "great well-made", "film", ""], TABLE)
    assert sums == pytest.approx(
        {
            "m": 2 + 3 + 2 + 4 + 0.5,
            "signed": 2 - 3 + 2 + 4 + 0.5,
            "sum_u": abs(2 - 3 + 2) + abs(4 + 0.5),
            "valence": 1 / 3 + 4.5 / 2,  # |mean| of a text's lexicon words; texts without any add nothing
            "words": 5,
        }
    )
    assert score(["bad good fine", "good bad fine"], TABLE)["sum_u"] == 0  # signs cancel inside a text
    assert score([""], TABLE) == dict.fromkeys(("m", "signed", "sum_u", "valence", "words"), 0.0)
    assert np.isnan(list(score([], TABLE).values())).all()  # no text is not one without words


def test_a_base_is_shared_where_its_features_are_the_same():
    def places(*features: list[int]) -> list[dict]:
        return [{"run": f"run{i}", "layer": 2, "seed": 1, "base": [{"feature": f} for f in of]} for i, of in enumerate(features)]

    assert shared(places([3, 1, 2], [3, 1, 2])) and shared(places([3], [3], [3]))
    assert not any(map(shared, (places([3, 1]), places([3, 1], [1, 3]), places([3, 1], [3]), places([3], [3], [4]), places([], []))))


def test_spoken():
    assert spoken(line("good bad")) == "good . bad"  # a quoted word never joins its neighbour
    assert spoken(line("good bad", explainer="gpt")) == "Fires on good bad."


def test_promoted():
    assert promoted(line("film", "good made")) == "good . made"  # what is lowered does not count


def test_places(tmp_path):
    """Every file's lines at its own place, side and pair."""
    keys = [("pairs/a/r/run1", "top1", 1, 1), ("pairs/a/r/run2", "top1", 2, 1), ("pairs/b/r/run1", "top2", 1, 3)]
    files = {side: [tmp_path / f"{side}{i}.jsonl" for i in range(3)] for side in ("base", "rlhf")}
    for side, paths in files.items():
        for i, path in enumerate(paths):
            path.write_text(json.dumps({"words": [f"{side}{i}"], "explainer": "tokens"}) + "\n")
    layers = {"pairs/a/r/run1": {"top1": 3}, "pairs/a/r/run2": {"top1": 0}, "pairs/b/r/run1": {"top1": 1, "top2": 2}}
    groups = places(keys, layers, **files)
    assert list(groups) == [("a", "r"), ("b", "r")] and [len(group) for group in groups.values()] == [2, 1]
    assert groups["a", "r"][1] == {
        "pair": "pairs/a/r/run2", "run": "run2", "pick": "top1", "layer": 0, "seed": 2, "sample": 1,
        "base": [{"words": ["base1"], "explainer": "tokens"}], "rlhf": [{"words": ["rlhf1"], "explainer": "tokens"}],
    }  # fmt: skip
    assert (groups["b", "r"][0]["layer"], groups["b", "r"][0]["sample"]) == (2, 3)
    files["rlhf"][2].write_text(json.dumps({"explainer": "openai:m"}) + "\n")
    with pytest.raises(UserError, match="never mixes explainers, and these files are of openai:m and tokens"):
        places(keys, layers, **files)


def test_read(tmp_path):
    lines = [line("good"), line("caf\N{LATIN SMALL LETTER E WITH ACUTE}")]
    file = tmp_path / "explanations.jsonl"
    file.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in lines), encoding="utf-8")
    assert explanations(file) == lines


def test_controls_of_every_run(tmp_path):
    for run, tokens in (("run2", [" good", " bad"]), ("run1", [" film"])):
        pd.DataFrame({"kind": "random", "token": tokens}).to_parquet(tmp_path / run)
    found = controls({run: tmp_path / run for run in ("run1", "run2")})
    assert found[["run", "token"]].values.tolist() == [["run1", " film"], ["run2", " good"], ["run2", " bad"]]
    assert found.index.tolist() == [0, 1, 2]


def test_layers_are_pooled_and_either_side_gives_equally_many():
    """Of the first layer two a side at most, of the second one; another seed or sample stands apart."""
    found = pooled([
        place([line("a"), line("b"), line("c")], [line("d"), line("e"), line("f")], layer=2),
        place([line("g")], [line("h"), line("i")], layer=5),
        place([line("j")], [], layer=2, seed=2),
        place([line("k")], [line("l")], layer=2, sample=2),
        place([line("m")], [line("n")], layer=2, run="run2"),
    ], 2)  # fmt: skip
    assert {key: "".join(item["words"][0] for item in lines) for key, lines in found.items()} == {
        ("run1", 1, 1, "base"): "abg", ("run1", 1, 1, "rlhf"): "deh", ("run1", 2, 1, "base"): "", ("run1", 2, 1, "rlhf"): "",
        ("run1", 1, 2, "base"): "k", ("run1", 1, 2, "rlhf"): "l", ("run2", 1, 1, "base"): "m", ("run2", 1, 1, "rlhf"): "n",
    }  # fmt: skip


def test_explanations_cut_short(tmp_path):
    file = tmp_path / "seed1.sample1.jsonl"
    file.write_text('{"feature": 1, "activates_on": "a\u2028b"}\n{"feature": 2, "acti')
    with pytest.raises(UserError, match="line 2: not JSON .Unterminated string") as caught:
        explanations(file)
    assert str(caught.value).startswith(str(file))
    file.write_text('{"feature": 1, "activates_on": "a\u2028b"}\n')
    assert explanations(file) == [{"feature": 1, "activates_on": "a\u2028b"}]
