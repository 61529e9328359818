"""What a difference is read against, by hand: of one run, of runs with SAEs of their own, of runs that share the base's."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from explanation_lines import line, place
from scipy import stats
from seed_values import of_seeds

from rewardscope.stats import net_of_random, over_twins, per_seed
from rewardscope.tables import section5_3
from rewardscope.tables.promoted import Yardstick, by_controls

NET = ("net", "net_ci_low", "net_ci_high")
OVER = ("over_twin", "over_twin_ci_low", "over_twin_ci_high")
CONTROLS = ["kind", "run", "side", "through", "seed", "token"]
ALL_NET, ALL_OVER = {"random_base", "random_rlhf", *NET}, {"twin", *OVER}


def welchs(a: list[float], b: list[float]) -> list[float]:
    """The difference of two samples' means and its interval, by SciPy."""
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    return [np.mean(a) - np.mean(b), theirs.low, theirs.high]


# ---- net of random rows ------------------------------------------------------------------------
def test_net_of_one_run():
    """(6 - 3) - (2 - 1): variances of the means 2 / 2, 8 / 2 and twice 1 / 3, degrees of freedom 1, 1, 2 and 2; draws are no pairs."""
    seeds = of_seeds({"run1": [1.0, 5.0]}, {"run1": [5.0, 7.0]})
    random = of_seeds({"run1": [0.0, 1.0, 2.0]}, {"run1": [1.0, 2.0, 3.0]})
    found = net_of_random(seeds, "a", random)
    assert found.keys() == ALL_NET and (found["random_base"], found["random_rlhf"]) == (1, 2)
    variance, freedom = 1 + 4 + 1 / 3 + 1 / 3, (17 / 3) ** 2 / (1 / 1 + 16 / 1 + (1 / 9) / 2 + (1 / 9) / 2)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert [found[key] for key in NET] == pytest.approx([2, 2 - half, 2 + half])
    assert net_of_random(seeds, "a", of_seeds({"run1": [2.0, 0.0, 1.0]}, {"run1": [1.0, 2.0, 3.0]})) == pytest.approx(found)


def test_net_of_runs_with_saes_of_their_own():
    """The replicate is the run: 3 - 1, 5 - (-1), 1 - 2."""
    base = {"run1": [0.0, 2.0], "run2": [3.0, 3.0], "run10": [1.0, 3.0]}
    rlhf = {"run1": [4.0, 4.0], "run2": [9.0, 7.0], "run10": [2.0, 4.0]}
    random = of_seeds(
        {"run1": [1.0, 1.0, 1.0], "run2": [2.0, 1.0, 0.0], "run10": [0.0, 1.0, 2.0]},
        {"run1": [2.0, 3.0, 1.0], "run2": [0.0, 0.0, 0.0], "run10": [2.0, 3.0, 4.0]},
    )
    found = net_of_random(of_seeds(base, rlhf), "a", random)
    theirs = stats.ttest_1samp([2.0, 6.0, -1.0], 0).confidence_interval()
    assert [found[key] for key in NET] == pytest.approx([7 / 3, theirs.low, theirs.high])
    assert (found["random_base"], found["random_rlhf"]) == pytest.approx((1, (2 + 0 + 3) / 3))


def test_net_of_runs_that_share_the_base():
    """Runs' RLHF means 4, 8, 5 less those of their random rows 1, 2, 0; the base's seeds; the draws of the base's random rows."""
    rlhf = {"run1": [4.0, 4.0], "run2": [9.0, 7.0], "run3": [6.0, 4.0]}
    seeds = of_seeds(dict.fromkeys(rlhf, [1.0, 3.0]), rlhf)
    drawn = {"run1": [0.0, 2.0, 1.0], "run2": [2.0, 2.0, 2.0], "run3": [0.0, 0.0, 0.0]}
    found = net_of_random(seeds, "a", of_seeds(dict.fromkeys(rlhf, [0.0, 0.5, 1.0]), drawn))
    runs, base, random = np.array([3.0, 6.0, 5.0]), np.array([1.0, 3.0]), np.array([0.0, 0.5, 1.0])
    parts = [(np.var(values, ddof=1) / len(values), len(values) - 1) for values in (runs, base, random)]
    variance = sum(part for part, _ in parts)
    half = stats.t.ppf(0.975, variance**2 / sum(part**2 / n for part, n in parts)) * math.sqrt(variance)
    net = runs.mean() - base.mean() + random.mean()
    assert [found[key] for key in NET] == pytest.approx([net, net - half, net + half])
    assert (found["random_base"], found["random_rlhf"]) == (0.5, 1)


@pytest.mark.parametrize("random", ["none", "no controls", "no rows"])
def test_without_random_rows_nothing_is_net(random):
    """As where `features.null_draws` is 0, or no feature is ranked."""
    seeds = of_seeds({"run1": [1.0, 5.0]}, {"run1": [5.0, 7.0]})
    vocabulary = pd.DataFrame({"text": [" good"], "word": ["good"], "whole": [30]})
    rows = pd.DataFrame([("feature", "run1", side, "base", 1, " good") for side in ("base", "rlhf")], columns=CONTROLS)
    by_kind = by_controls(rows[: {"no controls": 0, "no rows": 2}.get(random, 0)], Yardstick(vocabulary, {"good": 1.0}))
    drawn = None if random == "none" else per_seed(by_kind[by_kind["kind"] == "random"], ["signed"])
    found = net_of_random(seeds, "a", drawn)
    assert found.keys() == ALL_NET and all(map(math.isnan, found.values()))


def test_section_5_3_without_random_rows():
    controls = pd.DataFrame([], columns=[*CONTROLS, "pick", "place"])
    found = section5_3.measured([place([line("film", "good")], [line("good", "film")])], {"good": 2.0}, Counter(good=3, film=1), 1, 30, controls)
    assert found.random is None and math.isnan(section5_3.rows(found, [], {})[0]["promotes_net"])


@pytest.mark.parametrize("base", [{"run1": [0.0, 2.0], "run2": [3.0, 4.0]}, {"run1": [0.0, 2.0], "run2": [0.0, 2.0]}])
def test_a_run_without_random_rows_leaves_nothing_net(base):
    """Its own random rows are not those of the others."""
    seeds, random = of_seeds(base, {"run1": [4.0, 5.0], "run2": [6.0, 9.0]}), of_seeds({"run1": [1.0, 2.0]}, {"run1": [2.0, 2.0]})
    found = net_of_random(seeds, "a", random)
    assert all(math.isnan(found[key]) for key in NET) and (found["random_base"], found["random_rlhf"]) == (1.5, 2)


# ---- over the twins ----------------------------------------------------------------------------
TWINS = [of_seeds({"run1": [1.0, 1.0], "run2": [0.0, 2.0]}, {"run1": [2.0, 4.0], "run2": [1.0, 1.0]}), of_seeds({"run1": [0.0]}, {"run1": [0.5]})]
PLACEBO = [2.0, 0.0, 0.5]  # their runs' differences: (2 + 4) / 2 - 1, 1 - 1, 0.5 - 0


def test_over_twins_of_one_run():
    """One run has no spread over runs, whatever its SAE seeds say; twins' SAE seeds do not count either."""
    found = over_twins(of_seeds({"run1": [1.0, 5.0]}, {"run1": [5.0, 7.0]}), "a", TWINS)
    assert found.keys() == ALL_OVER and found["twin"] == pytest.approx(2.5 / 3) and found["over_twin"] == pytest.approx(3 - 2.5 / 3)
    assert math.isnan(found["over_twin_ci_low"]) and math.isnan(found["over_twin_ci_high"])


def test_over_twins_of_runs_with_saes_of_their_own():
    seeds = of_seeds({"run1": [0.0, 2.0], "run2": [3.0, 3.0]}, {"run1": [4.0, 4.0], "run2": [9.0, 7.0]})
    found = over_twins(seeds, "a", TWINS)
    assert [found[key] for key in OVER] == pytest.approx(welchs([3.0, 5.0], PLACEBO)) and found["twin"] == pytest.approx(2.5 / 3)
    alone = over_twins(seeds, "a", TWINS[1:])  # a twin of one run
    assert (alone["twin"], alone["over_twin"]) == (0.5, 3.5) and math.isnan(alone["over_twin_ci_low"])


def test_over_twins_a_shared_base_cancels():
    """Its seeds' noise is in the true reward's differences and in the twins' alike: another base changes nothing."""
    rlhf, of_twin = {"run1": [4.0, 4.0], "run2": [9.0, 7.0]}, {"run1": [2.0, 4.0], "run2": [1.0, 1.0]}
    for base in ([1.0, 3.0], [-40.0, 70.0]):
        found = over_twins(of_seeds(dict.fromkeys(rlhf, base), rlhf), "a", [of_seeds(dict.fromkeys(of_twin, base), of_twin)])
        assert [found[key] for key in OVER] == pytest.approx(welchs([4.0, 8.0], [3.0, 1.0]))
        assert found["twin"] == pytest.approx(2 - np.mean(base))


def test_without_twins_nothing_is_over_them():
    found = over_twins(of_seeds({"run1": [1.0, 5.0]}, {"run1": [5.0, 7.0]}), "a", [])
    assert found.keys() == ALL_OVER and all(map(math.isnan, found.values()))
