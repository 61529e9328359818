"""Exported tables: where a row is from, the types of columns that may be empty, and a data dictionary that holds every column."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from rewardscope.errors import UserError
from rewardscope.export import frames
from rewardscope.export.card import OF, card
from rewardscope.findings.findings_table import COLUMNS

PAIR, LAYERS = "pairs/tiny/utility/run2", {"pairs/tiny/utility/run2": {"top1": 3}, "pairs/other/utility/run1": {"top1": 5}}


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_names_are_those_of_the_path():
    at = lambda kind, path: frames.names(kind, Path("r"), Path("r") / path, LAYERS)
    place = {"model": "tiny", "reward": "utility", "run": 2, "side": "rlhf", "recipe": "l1-0.1", "pick": "top1", "layer": 3}
    assert at("saes", f"{PAIR}/rlhf/saes/l1-0.1/top1/width32/seed4/sae.safetensors") == place | {"width": 32, "seed": 4}
    assert at("features", f"{PAIR}/rlhf/features/l1-0.1/top1/seed4.parquet") == place | {"seed": 4}
    assert at("explanations", f"{PAIR}/rlhf/explanations/l1-0.1/top1/tokens/seed4.sample1.jsonl") == place | {"seed": 4, "sample": 1}
    shared = at("features", "bases/tiny/features/l1-0.1/top1/seed4.parquet")
    assert shared == place | {"seed": 4, "reward": None, "run": None, "side": "base"}  # the layer of the model's pairs, not of another's
    with pytest.raises(UserError, match="its path is not that of features"):
        at("features", f"{PAIR}/rlhf/features/l1-0.1/top1/mmcs.csv")
    also = {"pairs/tiny/other/run1": {"layer2": 2}} | LAYERS  # of another config in the same folder, which has no top1
    assert frames.names("features", Path("r"), Path("r/bases/tiny/features/l1-0.1/top1/seed4.parquet"), also) == shared


def test_features_and_their_types(tmp_path):
    file = tmp_path / PAIR / "rlhf/features/paper/top1/seed1.parquet"
    file.parent.mkdir(parents=True)
    table = pd.DataFrame({"place": [1, None], "small": [7, 8], "large": [9, None], "cosine": [0.5, None], "partner": [9, None]})
    table.astype({"place": "Int32", "large": "Int32", "partner": "Int32"}).to_parquet(file)
    ours = frames.features(tmp_path, [file], LAYERS)
    assert list(ours) == list(frames.TABLES["features"]) and ours["feature"].tolist() == [7, 8] and set(ours["layer"]) == {3}
    assert ours["place"].dtype == "Int64" and ours["place"].isna().tolist() == [False, True] and ours["partner_cosine"].isna().all()
    assert list(frames.features(tmp_path, [], LAYERS)) == list(ours)


def test_explanations_of_both_explainers(tmp_path):
    token = {"id": 9, "token": " good", "logit": 1.5}
    lines = [
        {"place": 1, "feature": 7, "activates_on": "Fires on |", "promotes": "", "raised": [token], "lowered": [], "explainer": "tokens",
         "evidence": {"documents": [3], "positions": [2], "values": [0.5], "strongest": 200}},
        {"feature": 8, "explainer": "openai:m", "activates_on": "", "raised": [], "lowered": [], "cost": 0.25, "failure": "none"},
    ]  # fmt: skip
    file = put(tmp_path / PAIR / "base/explanations/paper/top1/openai/seed1.sample2.jsonl", "\n".join(map(json.dumps, lines)))
    ours = frames.explanations(tmp_path, [file], LAYERS)
    frames.write(ours, "explanations", tmp_path / "e.parquet")
    back = pq.read_table(tmp_path / "e.parquet").to_pylist()
    assert back[0]["raised"] == [token] and back[0]["evidence"]["documents"] == [3] and back[0]["cost"] is None and back[0]["failure"] is None
    assert (
        back[1]["cost"] == 0.25 and back[1]["place"] is None and (back[1]["sample"], back[1]["side"], back[1]["explainer"]) == (2, "base", "openai:m")
    )
    schema = pq.read_schema(tmp_path / "e.parquet")
    assert schema.field("raised").metadata[b"description"].startswith(b"tokens that its direction")


def test_autoencoders_have_their_metrics_and_not_the_l1_of_their_codes(tmp_path):
    file = tmp_path / PAIR / "rlhf/saes/paper/top1/width32/seed1/sae.safetensors"
    put(file.parent / "cfg.json", json.dumps({"l1": 0.03, "tied": True, "side": "rlhf"}))
    put(file.parent / "metrics.json", json.dumps({"l1": 31.5, "l0": 11.0, "fvu": 0.25, "mse": 1.5, "dead": 0.0, "tokens": 70}))
    row = frames.saes(tmp_path, [file], LAYERS).iloc[0]
    assert (row["l1"], row["l0"], row["tokens"], row["tied"], row["width"]) == (0.03, 11.0, 70, True, 32)
    assert row["path"] == f"{PAIR}/rlhf/saes/paper/top1/width32/seed1"


def test_findings_are_the_table_s(tmp_path):
    row = dict.fromkeys(COLUMNS) | {
        "model": "tiny",
        "reward": "utility",
        "rank": 1,
        "score": 5.5,
        "shown": True,
        "run": "run3",
        "sentence": "After a",
    }
    pd.DataFrame([row, row | {"rank": 0, "run": None, "shown": False}], columns=COLUMNS).to_csv(tmp_path / "findings.csv", index=False)
    ours = frames.findings(tmp_path / "findings.csv")
    assert set(ours) == set(COLUMNS) and ours["run"].tolist()[0] == 3 and ours["run"].isna().tolist() == [False, True]
    assert ours["shown"].tolist() == [True, False] and ours["example"].tolist() == [None, None]
    frames.write(ours, "findings", tmp_path / "f.parquet")
    assert pq.read_table(tmp_path / "f.parquet").to_pylist()[0]["score"] == 5.5
    for text in ("", "a,b\n1,2\n"):
        with pytest.raises(UserError, match="cannot be read as the table of findings"):
            frames.findings(put(tmp_path / "broken.csv", text))


def test_the_card_says_what_each_column_is_and_calls_nothing_rlhf():
    saes = pd.DataFrame({"model": "tiny", "side": ["base", "rlhf", "rlhf"], "recipe": "paper", "width": 32, "given": False, "fvu": [0.1, 0.2, 0.4],
                         "l0": 3.0, "dead": 0.0, "path": "pairs/tiny/saes/a"})  # fmt: skip
    text = card(saes, {"pairs/tiny/utility/run1": "tuned here on utility", "pairs/tiny/audited/run1": "checkpoint given"}, ["org/tiny"], "mlp")
    header = yaml.safe_load(text.split("---")[1])
    assert header["base_model"] == ["org/tiny"] and header["configs"][0] == {"config_name": "saes", "data_files": "saes.parquet"}
    assert "license" not in header and set(OF) == set(frames.TABLES)
    body = text.split("---\n", 2)[2]
    for columns in frames.TABLES.values():
        for name, (_, meaning) in columns.items():
            assert f"| `{name}` |" in body and f"| {meaning} |" in body
    assert "| tiny/audited/run1 | checkpoint given |" in body and 'SAE.load_from_disk("pairs/tiny/saes/a")' in body
    assert "| tiny | rlhf | paper | 32 | 2 | 0.3 | 3 | 0 |" in body
    assert "rlhf" not in body.replace("`rlhf`", "").replace("| rlhf |", "").lower()
    assert "base_model" not in yaml.safe_load(card(saes, {}, [], "residual").split("---")[1])
    assert "were trained elsewhere" not in text
    assert "Those of theirs were trained elsewhere" in card(
        saes.assign(given=[False, True, True], recipe=["paper", "theirs", "theirs"]), {}, [], "mlp"
    )


def test_an_autoencoder_that_was_given_has_no_penalty(tmp_path):
    files = []
    for recipe, cfg in (("paper", {"l1": 0.5, "tied": True}), ("theirs", {"l1": None, "tied": False, "given": "folder"})):
        files.append(put(tmp_path / PAIR / f"rlhf/saes/{recipe}/top1/width32/seed1/sae.safetensors", ""))
        put(files[-1].with_name("cfg.json"), json.dumps(cfg))
        put(files[-1].with_name("metrics.json"), json.dumps({"tokens": 9, "l0": 2.0, "l1": 7.0}))  # whose l1 is the sum of activations
    ours = frames.saes(tmp_path, files, LAYERS)
    assert ours["given"].tolist() == [False, True] and ours["l1"].tolist()[0] == 0.5 and ours["l1"].isna().tolist() == [False, True]
