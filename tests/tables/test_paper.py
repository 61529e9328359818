"""Tables 1 and 2 from made artifacts, and the paper's values that stand beside ours."""

import pandas as pd
import pytest

from rewardscope.tables import table1, table2
from rewardscope.tables.paper import VALUES, beside

CFG = {"d_model": 768, "epochs": 3, "batch_documents": 32, "learning_rate": 0.001, "l1": 0.0015, "l1_on": "activations", "tied": True}


def cfgs(small: int, large: int, **changed) -> list[dict]:
    """Two seeds of either width, as `cfg.json` holds them."""
    return [{**CFG, "width": width, "seed": seed, **changed} for width in (small, large) for seed in (1, 2)]


def compared(rows: list[dict]) -> dict[str, tuple]:
    return {row["setting"]: (row["used"], row["paper"], row["paper_place"], row["compared"]) for row in rows}


def test_numbers_are_numbers():
    """YAML reads 1e-6 as text."""

    def leaves(value):
        return [leaf for child in value.values() for leaf in leaves(child)] if isinstance(value, dict) else [value]

    assert {leaf for leaf in leaves(VALUES) if isinstance(leaf, str)} == {"weights", "ppo"}
    assert VALUES["table1"]["learning_rate"] == 0.000001


def test_the_paper_adds_up():
    assert sum(VALUES["appendix_e"]["pythia-70m"].values()) == VALUES["section6.1"]["pythia-70m"]["of"] == 50
    assert VALUES["table3"].keys() == VALUES["table4"].keys() == VALUES["table2"].keys()
    swapped = [model for model, sizes in VALUES["table2"].items() if sizes["small"] > sizes["large"]]
    assert swapped == ["gpt-neo-125m"]  # as printed


def test_beside():
    places = {"Table 9": {"kl": 0.5}, "section 9": {"kl": 0.1, "tied": True}}
    row = {"setting": "kl", "used": "0.5", "paper": "0.5", "paper_place": "Table 9", "compared": "equal"}
    assert beside("kl", 0.5, places) == row
    assert beside("tied", False, places)["compared"] == "differs"
    assert beside("tied", True, places) == {"setting": "tied", "used": "true", "paper": "true", "paper_place": "section 9", "compared": "equal"}
    assert beside("prompt_tokens", [2, 9], places) == {
        "setting": "prompt_tokens", "used": "[2, 9]", "paper": None, "paper_place": None, "compared": None
    }  # fmt: skip
    assert beside("x", 0, {"Table 9": {"x": None}})["compared"] == "differs"  # what the paper has is not read as silence


def test_table1():
    settings = {
        "method": "ppo",
        "batch": 64,
        "kl": 0.1,
        "learning_rate": 1e-6,
        "max_grad_norm": 1.0,
        "minibatch": 16,
        "updates": 32,
        "reward_on": "both",
    }
    rows = table1.rows(settings, {"model": "tiny", "reward": "utility", "run": "run2"})
    assert [row["setting"] for row in rows] == ["method", "batch", "minibatch", "kl", "max_grad_norm", "learning_rate", "updates", "reward_on"]
    assert all((row["model"], row["reward"], row["run"]) == ("tiny", "utility", "run2") for row in rows)
    found = compared(rows)
    assert found["batch"] == ("64", "64", "Table 1", "equal") and found["learning_rate"] == ("1e-06", "1e-06", "Table 1", "equal")
    assert found["kl"] == ("0.1", "0.5", "Table 1", "differs")
    assert found["updates"] == ("32", None, None, None)
    assert list(pd.DataFrame(rows, columns=table1.COLUMNS)) == list(rows[0])


def test_table1_of_another_method():
    """Its settings alone: what the paper's mean is PPO's."""
    rows = table1.rows({"method": "dpo", "batch": 64, "beta": 0.1}, {"model": "tiny", "reward": "utility-dpo", "run": "run1"})
    assert compared(rows) == {"method": ("dpo", "ppo", "Table 1", "differs"), "batch": ("64", None, None, None), "beta": ("0.1", None, None, None)}


def test_table1_of_a_run_that_did_not_record_a_setting():
    with pytest.raises(KeyError, match="minibatch"):
        table1.rows({"method": "ppo", "batch": 64}, {})


def test_table2_of_a_model_of_the_paper():
    found = compared(table2.rows("gpt-neo-125m", cfgs(768, 1536), [dict.fromkeys(("top1", "top2", "top3", "top4", "top5", "low1"), 0)]))
    assert found["large"] == ("1536", "768", "Table 2", "differs") and found["small"] == ("768", "1536", "Table 2", "differs")
    assert found["large / d_model"] == ("2.0", "2", "Algorithm 1", "equal")
    assert found["l1"] == ("0.0015", "0.0015", "section 5.2", "equal")  # its own, not the other models' 0.001
    assert found["l1_on"] == ("activations", "weights", "section 5.2", "differs")
    assert found["tied"] == ("true", "true", "section 5.2", "equal")
    assert found["layers"] == ("5", "5", "section 5.2", "equal")  # the layers nearest the input are not among them
    assert compared(table2.rows("pythia-70m", cfgs(512, 1024, d_model=512), [{"layer3": 3}]))["large"][-1] == "equal"


def test_table2_of_another_model():
    found = compared(table2.rows("tiny", cfgs(64, 256, d_model=128), [{"top1": 3}, {"top1": 2}]))
    assert found["large"] == ("256", None, None, None)
    assert found["small / d_model"] == ("0.5", "1", "Algorithm 1", "differs")
    assert found["l1"] == ("0.0015", "0.001", "section 5.2", "differs")
    assert found["layers"][0] == "1"


def test_table2_says_which_coefficients_were_found_for_an_l0():
    found = [cfg | {"l0": 20, "l1": l1} for cfg, l1 in zip(cfgs(64, 256), (0.01, 0.01, 0.0234567, 0.02), strict=True)]
    used = {row["setting"]: row["used"] for row in table2.rows("tiny", found, [{"top1": 3}])}
    assert used["l1"] == "0.01 to 0.0235, for an L0 of 20"
    with pytest.raises(ValueError, match="differ in l0:"):
        table2.rows("tiny", [*found, found[0] | {"l0": 10}], [{"top1": 3}])


def test_table2_of_dictionaries_that_were_given():
    """Nothing of their training is known; a penalty of the config's, which they never saw, is not shown."""
    found = [{"width": width, "d_model": 128, "tied": tied, "l1": None, "given": "folder"} for width, tied in ((64, True), (256, False))]
    used = {row["setting"]: (row["used"], row["compared"]) for row in table2.rows("tiny", found, [{"layer3": 3}])}
    assert used["large"] == ("256", None) and used["training"] == ("elsewhere: the dictionaries were given", None)
    assert not {"l1", "epochs", "tied"} & set(used)


def test_table2_mixes_no_experiments():
    with pytest.raises(ValueError, match="differ in l1:"):
        table2.rows("tiny", [*cfgs(64, 256), {**CFG, "width": 64, "l1": 9.0}], [{"top1": 3}])
    with pytest.raises(ValueError, match="differ in layers:"):
        table2.rows("tiny", cfgs(64, 256), [{"top1": 3}, {"top1": 3, "top2": 1}])
