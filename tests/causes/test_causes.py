"""What a pair gives: shares by hand, which arms there are, and what is said where there is nothing to share."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from rewardscope import states
from rewardscope.causes import causes
from rewardscope.causes.patch import Patch, Side
from rewardscope.errors import UserError
from rewardscope.sae.model import new

SETTINGS = {"prompts": 4, "prefix": 3, "new": 3, "sizes": [1, 2, 50], "random_sets": 2, "bootstrap": 200}
CORPUS = pd.DataFrame({"text": list(tiny.texts(20)), "part": ["fit", "held"] * 10})


# ---- by hand ---------------------------------------------------------------------------------
BASE, TUNED = np.array([1.0, 2.0, 0.0, 1.0]), np.array([3.0, 6.0, 2.0, 5.0])  # means 1 and 4
REWARDS = {  # (arm, place, layers) -> rewards
    ("steering", "mlp", (0,)): np.array([1.0, 3.0, 2.0, 4.0]),  # mean 2.5: half of 3
    ("ablation", "mlp", (0,)): np.array([3.0, 5.0, 2.0, 3.0]),  # mean 3.25: a quarter taken away
    ("steering", "mlp", (0, 1)): TUNED,
    ("ablation", "mlp", (0, 1)): BASE,
}


@pytest.fixture
def toy(monkeypatch):
    base, tuned = (Side(model, {"mlp": {0: None, 1: None}, "residual": {0: None, 1: None}}) for model in ("b", "t"))

    def run(_base, _tuned, task, arm, patch):
        plain = BASE if arm == "steering" else TUNED
        return causes.Arm(REWARDS.get((arm, patch.at, patch.layers), plain), 0.5, 9.0)

    monkeypatch.setattr(causes, "run", run)
    return base, tuned


def of(toy, work) -> tuple[pd.DataFrame, str]:
    task = causes.Task(torch.zeros(1, 1, dtype=torch.long), 1, [1], None, None)
    table, problem = causes.of_pair(*toy, task, task, [], SETTINGS, 1, work)
    return table.set_index(["arm", "place", "layer"]), problem


def test_shares_by_hand(toy, tmp_path):
    table, problem = of(toy, tmp_path)
    share = table["share"]
    assert problem == "" and len(table) == 2 + 2 * (2 + 2 + 1)
    assert share["steering", "mlp", "0"] == pytest.approx(1 / 2) and share["ablation", "mlp", "0"] == pytest.approx(1 / 4)
    assert share["steering", "mlp", "all"] == share["ablation", "mlp", "all"] == 1
    assert share["steering", "mlp", "1"] == share["ablation", "residual", "0"] == 0
    assert table["mean_reward"]["ablation", "mlp", "0"] == 3.25 and table["mean_reward"]["steering", "none", ""] == 1
    low, high = table.loc[("steering", "mlp", "0"), ["ci_low", "ci_high"]]
    assert 0 <= low < 1 / 2 < high <= 1 and np.isnan(table["ci_low"]["steering", "mlp", "all"])
    assert share.xs("none", level="place").isna().all()


def test_a_killed_job_goes_on_with_the_arms_that_are_left(toy, tmp_path, monkeypatch):
    whole, _ = of(toy, tmp_path / "a")
    monkeypatch.setattr(causes, "SAVED", 5)
    of(toy, tmp_path / "b")
    assert states.latest(tmp_path / "b").facts["done"] == 10
    monkeypatch.setitem(REWARDS, ("steering", "mlp", (0,)), BASE)  # it would be seen if that arm ran again
    pd.testing.assert_frame_equal(of(toy, tmp_path / "b")[0], whole)


# ---- with models -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sides():
    return [causes.side(tiny.build("gpt_neox", seed=seed), [1])[0] for seed in (3, 5)]


def pair(sides, reward, work, settings=SETTINGS, dictionaries=True) -> tuple[pd.DataFrame, str]:
    judge = causes.judge_of(reward, tiny.tokenizer(), "completion")
    both = causes.tasks(CORPUS, tiny.tokenizer(), judge, settings, 1)
    sae = causes.Dictionary("top1", 1, "mlp", new(6, tiny.WIDTH, [2], tied=True))
    return causes.of_pair(*sides, *both, [sae] * dictionaries, settings, 1, work)


def test_choices_of_every_size_and_random_ones_beside(sides, tmp_path, monkeypatch):
    monkeypatch.setattr(causes, "bootstrap_interval", lambda *_: (0.1, 0.2))  # whatever so few prompts say
    table, problem = pair(sides, len_of, tmp_path)
    features = table[table["pick"] == "top1"]
    assert problem == "" and set(features["layer"]) == {"1"}
    counts = features[features["arm"] == "steering"].groupby(["place", "size"]).size()
    assert counts.to_dict() == {("features", 1): 1, ("features", 2): 1, ("features", 6): 1, ("random features", 1): 2, ("random features", 2): 2}
    by_arm = {arm: rows.reset_index(drop=True) for arm, rows in features.groupby("arm")}
    assert by_arm["steering"]["features"].tolist() == by_arm["ablation"]["features"].tolist()  # one set, tested both ways
    sets = by_arm["steering"].set_index(["place", "size", "set"])["features"]
    assert sets["features", 2, 0][:1] == sets["features", 1, 0] and sorted(sets["features", 6, 0]) == list(range(6))
    assert not set(sets["random features", 2, 1]) & set(sets["features", 2, 0])
    assert features["rate"].between(0, 1).all() and (features["kl"] >= 0).all()


def test_kl_and_perplexity_count_as_far_as_the_end_token(sides):
    base, tuned = sides
    task = causes.tasks(CORPUS, tiny.tokenizer(), causes.judge_of(len_of, tiny.tokenizer(), "both"), SETTINGS, 1)[1]
    for arm, receiver in (("steering", base), ("ablation", tuned)):
        found = causes.run(base, tuned, task, arm, causes.NOTHING)
        ids = causes.generate(receiver, base, causes.NOTHING, task.prefix, task.new, task.seeds).ids
        end = int(ids[0, 1])
        ended = causes.run(base, tuned, task._replace(end=end), arm, causes.NOTHING)
        logs = {None: [], end: []}
        for prompt, new_ids in zip(task.prefix, ids, strict=True):
            with torch.no_grad():
                p = base.model(input_ids=torch.cat([prompt, new_ids])[None]).logits[0].log_softmax(-1)
            said = [p[len(prompt) - 1 + i, token].item() for i, token in enumerate(new_ids)]
            logs[None] += said
            logs[end] += said[: new_ids.tolist().index(end) + 1] if end in new_ids else said
        assert found.perplexity == pytest.approx(np.exp(-np.mean(logs[None])), rel=1e-4) and found.kl == pytest.approx(0, abs=1e-6)
        assert ended.perplexity == pytest.approx(np.exp(-np.mean(logs[end])), rel=1e-4) != found.perplexity
    assert causes.run(base, tuned, task, "steering", Patch("mlp", (1,))).kl > 1e-3


def len_of(texts):
    return [float(len(text)) for text in texts]


def test_without_a_gain_shares_are_empty_and_no_features_are_chosen(sides, tmp_path):
    table, problem = pair(sides, lambda texts: [1.0] * len(texts), tmp_path)
    assert "earn about the same (difference 0)" in problem
    assert table["share"].isna().all() and set(table["place"]) == {"none", "mlp", "residual"} and table["mean_reward"].eq(1).all()


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        (lambda texts: 1 / 0, r"the reward fails on completions \(ZeroDivisionError: division by zero\); mend it"),
        (lambda texts: [np.nan] * len(texts), "does not give a finite number for every completion"),
        (lambda texts: [1.0], "does not give a finite number for every completion"),
    ],
)
def test_a_reward_that_fails_is_one_line(sides, tmp_path, reward, says):
    with pytest.raises(UserError, match=says):
        pair(sides, reward, tmp_path)


def test_no_document_is_long_enough():
    with pytest.raises(UserError, match="^no fit test document is longer than 500 tokens; lower causes.prefix$"):
        causes.tasks(CORPUS, tiny.tokenizer(), lambda prefix, ids: np.zeros(1), SETTINGS | {"prefix": 500}, 1)


def test_a_model_whose_mlp_cannot_be_told_has_its_residual_stream_alone(monkeypatch):
    model = tiny.build("gpt_neox")
    monkeypatch.setattr(model.gpt_neox.layers[0], "mlp", torch.nn.Identity())
    side, why = causes.side(model, [0, 1, 2])
    assert set(side.places) == {"residual"} and "cannot tell its MLP" in why
    assert {tried.names["place"] for tried in causes._layers(side)} == {"residual"}
