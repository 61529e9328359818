"""The probe: planted answers, ridge against brute force, and nothing of held documents in a fit."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tiny import texts, tokenizer

from rewardscope.scores import probe
from rewardscope.stats import t_interval

NAMES = {"model": "tiny", "reward": "utility"}
DOCUMENTS = np.array([2, 5, 7])


def test_feature_sums_by_hand():
    fires = pd.DataFrame({"feature": [4, 4, 9, 9], "document": [2, 2, 7, 2], "value": [1.0, 0.5, 3.0, 2.0]})
    assert probe.feature_sums(fires, DOCUMENTS).tolist() == [[1.5, 2], [0, 0], [0, 3]]
    assert probe.feature_sums(fires[:0], DOCUMENTS).shape == (3, 0)


def test_token_counts_by_hand(monkeypatch):
    tokens = pd.DataFrame({"document": [2, 2, 2, 5, 5, 7, 7, 7], "part": ["fit"] * 5 + ["held"] * 3, "token": [8, 8, 3, 3, 1, 9, 9, 3]})
    assert probe.token_counts(tokens, DOCUMENTS).tolist() == [[0, 1, 2], [1, 1, 0], [0, 1, 0]]  # 1, 3, 8; 9 stands in no fit document
    monkeypatch.setattr(probe, "VOCABULARY", 2)
    assert probe.token_counts(tokens, DOCUMENTS).tolist() == [[1, 2], [1, 0], [1, 0]]


def solve(z: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Ridge with a free intercept by its normal equations: intercept, then coefficients."""
    design = np.column_stack([np.ones(len(y)), z])
    return np.linalg.solve(design.T @ design + penalty * np.diag([0.0] + [1.0] * z.shape[1]), design.T @ y)


@pytest.mark.parametrize(("n", "p", "noise"), [(30, 4, 0.1), (30, 4, 3.0), (25, 10, 1.0), (12, 20, 0.5), (15, 15, 30.0)])
def test_ridge_against_leaving_out_by_hand(n, p, noise):
    rng = np.random.default_rng(n + p)
    x = rng.normal(2, 3, size=(n, p)) * np.linspace(0.1, 5, p)
    y = x[:, 0] - x[:, 1] + noise * rng.normal(size=n)
    z = x / x.std(axis=0)

    def left_out(penalty: float) -> float:
        errors = []
        for i in range(n):
            others = np.arange(n) != i
            intercept, *rest = solve(z[others], y[others], penalty)
            errors.append(y[i] - intercept - z[i] @ rest)
        return np.mean(np.square(errors))

    coefficients, intercept, penalty = probe.ridge(x, y)
    assert penalty == min(n * probe.PENALTIES, key=left_out)
    expected = solve(z, y, penalty)
    assert intercept == pytest.approx(expected[0])
    np.testing.assert_allclose(coefficients * x.std(axis=0), expected[1:], rtol=1e-6, atol=1e-9)


def test_ridge_of_nothing_is_the_mean():
    y = np.array([1.0, 2.0, 6.0])
    for x in (np.zeros((3, 0)), np.full((3, 2), 5.0)):  # no column; constant ones
        coefficients, intercept, _ = probe.ridge(x, y)
        assert intercept == 3 and not coefficients.any()


def planted(seed=1, n=400, p=12):
    """Features `[n, p]`, a reward that is a linear function of two of them, and which documents are held."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, size=(n, p))
    return x, 3 + 2 * x[:, 0] - x[:, 5], rng.random(n) < 0.3


def test_an_exactly_linear_reward():
    x, y, held = planted()
    known = probe.score(probe.predictions(x, y, held), y[held])
    assert known["r2"] > 0.999999 and known["tau"] > 0.999
    unrelated = probe.score(probe.predictions(planted(seed=2)[0], y, held), y[held])
    assert abs(unrelated["r2"]) < 0.1 and abs(unrelated["tau"]) < 0.15


def test_held_documents_change_no_fit():
    x, y, held = planted()
    before = probe.predictions(x, y, held)
    other = np.where(held, 1000.0, y)
    assert (probe.predictions(x, other, held) == before).all()
    x[np.flatnonzero(held)[0]] *= 1e6  # one held document: only its own prediction moves
    after = probe.predictions(x, y, held)
    assert (after[1:] == before[1:]).all() and after[0] != before[0]


def test_score_by_hand():
    # five of six pairs are ordered in y, one is tied; four agree, (2, 3) does not: tau-b = (4 - 1) / sqrt(6 x 5)
    found = probe.score(np.array([1.0, 3.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0, 3.0]))
    assert found["tau"] == pytest.approx(3 / math.sqrt(30))
    assert found["r2"] == pytest.approx(1 - (0 + 1 + 1 + 1) / 2.75)  # deviations of 1, 2, 3, 3 from 2.25
    constant = probe.score(np.full(4, 2.25), np.array([1.0, 2.0, 3.0, 3.0]))
    assert math.isnan(constant["tau"]) and constant["r2"] == 0
    assert math.isnan(probe.score(np.arange(3.0), np.ones(3))["r2"])


def firings(x: np.ndarray, control: bool, first: int = 0) -> pd.DataFrame:
    """Feature activations whose sums are `x` `[documents, features]`: every feature fires at two positions of each document."""
    document, feature = (a.ravel() for a in np.indices(x.shape))
    half = pd.DataFrame({"feature": feature + first, "document": document, "value": x.ravel() / 2, "control": control})
    return pd.concat([half, half], ignore_index=True)


def test_side_scores_find_the_layer_that_holds_the_reward():
    x, _, held = planted()
    y = x[:, 0] + x[:, 7]  # one summand at layer 1, one at layer 4, none in the controls
    noise = planted(seed=3)[0]
    layers = {
        1: pd.concat([firings(x[:, :6], False), firings(noise[:, :6], True, first=6)]),
        4: pd.concat([firings(x[:, 6:], False), firings(noise[:, 6:], True, first=6)]),
    }
    found = {(row["layer"], row["predictors"]): row for row in probe.side_scores(layers, np.arange(len(y)), y, held)}
    assert len(found) == 9
    assert found["total", "features"]["r2"] > 0.9999 and found["total", "features"]["columns"] == 12
    assert 0.3 < found[1, "features"]["r2"] < 0.7 and 0.3 < found[4, "features"]["r2"] < 0.7
    for layer in (1, 4, "total"):
        features, controls, gain = (found[layer, kind] for kind in ("features", "controls", "features - controls"))
        assert abs(controls["r2"]) < 0.1
        assert gain["r2"] == features["r2"] - controls["r2"] and gain["tau"] == features["tau"] - controls["tau"]


def test_fewer_controls_than_features_are_not_compared():
    x, y, held = planted()
    layers = {1: pd.concat([firings(x[:, :3], False), firings(x[:, 3:5], True, first=3)])}
    features, controls, gain, *_ = probe.side_scores(layers, np.arange(len(y)), y, held)
    assert (features["columns"], controls["columns"]) == (3, 2)
    assert not math.isnan(features["r2"]) and math.isnan(gain["r2"]) and math.isnan(gain["tau"])


def test_text_scores():
    """A reward that sums over tokens is linear in the bag; the mean has no tau."""
    rng = np.random.default_rng(4)
    token = rng.integers(0, 30, size=(300, 40))
    held = np.arange(300) >= 200
    part = np.where(held, "held", "fit")
    tokens = pd.DataFrame({"document": np.arange(300).repeat(40), "part": part.repeat(40), "token": token.ravel()})
    y = rng.normal(size=30)[token].sum(axis=1)
    bag, mean = probe.text_scores(tokens, np.arange(300), y, held)
    assert bag["predictors"] == "tokens" and bag["columns"] == 30 and bag["r2"] > 0.999
    assert mean["predictors"] == "mean" and math.isnan(mean["tau"]) and -0.1 < mean["r2"] <= 0


def test_the_mean_is_that_of_fit_documents():
    """2; the held 4 and 8 miss it by 2 and 6, and their own mean by 2 and 2."""
    held = np.array([False, False, True, True])
    tokens = pd.DataFrame({"document": range(4), "part": np.where(held, "held", "fit"), "token": [5, 6, 5, 6]})
    _, mean = probe.text_scores(tokens, np.arange(4), np.array([1.0, 3.0, 4.0, 8.0]), held)
    assert mean["r2"] == 1 - (4 + 36) / (4 + 4)


def test_read_is_the_text_of_the_first_tokens():
    corpus = pd.DataFrame({"text": list(texts()[:4])})
    seen = []

    def reward(documents):
        seen.extend(documents)
        return [float(len(text)) for text in documents]

    coder = tokenizer()
    y = probe.document_rewards(corpus, np.array([0, 2, 3]), coder, 6, reward)
    assert seen == [coder.decode(coder(corpus["text"][i])["input_ids"][:6]) for i in (0, 2, 3)]
    assert y.tolist() == [len(text) for text in seen]
    assert all(corpus["text"][i].startswith(text) for i, text in zip((0, 2, 3), seen, strict=True))


def scored(values: dict, run="run1") -> list[dict]:
    """Rows of one layer: (side, seed) -> R^2; tau is half of it."""
    common = {"run": run, "layer": 3, "predictors": "features", "columns": 30}
    return [{**common, "side": side, "seed": seed, "tau": r2 / 2, "r2": r2} for (side, seed), r2 in values.items()]


HELD = np.array([False, False, True])
TEXT = [{"predictors": "tokens", "columns": 99, "tau": 0.4, "r2": 0.8}]


def test_rows_by_hand():
    scores = scored({("base", 1): 0.1, ("base", 2): 0.3, ("rlhf", 1): 0.4, ("rlhf", 2): 0.8})
    tau, r2, text_tau, text_r2 = probe.rows(pd.DataFrame(scores), TEXT, HELD, NAMES)
    assert (r2["base"], r2["rlhf"], r2["difference"]) == pytest.approx((0.2, 0.6, 0.4))
    assert (r2["base_low"], r2["base_high"]) == pytest.approx(t_interval(np.array([0.1, 0.3])))
    welch = stats.ttest_ind([0.4, 0.8], [0.1, 0.3], equal_var=False).confidence_interval()
    assert (r2["ci_low"], r2["ci_high"]) == pytest.approx((welch.low, welch.high))
    assert (tau["metric"], tau["base"], r2["metric"], r2["layer"]) == ("tau", pytest.approx(0.1), "r2", 3)
    assert (r2["unit"], r2["runs"], r2["sae_seeds"], r2["columns"], r2["fit"], r2["held"]) == ("SAE noise of one run", 1, 2, 30, 2, 1)
    assert math.isnan(r2["p_value"])
    assert (text_r2["base"], text_r2["rlhf"], text_tau["base"], text_r2["columns"]) == (0.8, 0.8, 0.4, 99)
    assert set(tau) <= set(probe.COLUMNS) and set(text_tau) <= set(probe.COLUMNS)
    assert "difference" not in text_r2  # no side, no seed


def test_replicates_of_several_runs_are_the_runs():
    first = scored({("base", 1): 0.1, ("base", 2): 0.3, ("rlhf", 1): 0.4, ("rlhf", 2): 0.8})
    second = scored({("base", 1): 0.0, ("base", 2): 0.0, ("rlhf", 1): 0.1, ("rlhf", 2): 0.3}, run="run2")
    _, r2 = probe.rows(pd.DataFrame(first + second), [], HELD, NAMES)
    assert (r2["unit"], r2["runs"], r2["difference"]) == ("tuning run", 2, pytest.approx(0.3))
    assert (r2["ci_low"], r2["ci_high"]) == pytest.approx(t_interval(np.array([0.4, 0.2])))


def test_p_over_six_seeds():
    scores = scored({(side, seed): 0.1 * seed + (side == "rlhf") for seed in range(1, 7) for side in ("base", "rlhf")})
    _, r2 = probe.rows(pd.DataFrame(scores), [], HELD, NAMES)
    assert r2["p_value"] == 2 / math.comb(12, 6) and r2["difference"] == pytest.approx(1)  # the largest base is 0.6, the least RLHF 1.1


def test_p_over_six_runs():
    scores = [row for run in range(1, 7) for row in scored({("base", 1): 0.1 * run, ("rlhf", 1): 0.1 * run + 0.05}, run=f"run{run}")]
    _, r2 = probe.rows(pd.DataFrame(scores), [], HELD, NAMES)
    assert (r2["p_value"], r2["unit"], r2["sae_seeds"]) == (2 / 64, "tuning run", 1)
