"""What features promote, by hand, and how often other words with the same values show as much."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from explanation_lines import line, place

from rewardscope.tables.promoted import DRAWS, MEASURES, Yardstick, by_controls, by_features, placebo_p, placebos

TABLE = {"good": 2.0, "great": 4.0, "bad": -3.0, "awful": -2.5, "film": 0.0, "elsewhere": 9.0}
WHOLE = {" good": 12, "Good": 8, " great": 40, " bad": 19, " awful": 20, " film": 90, " scene": 30, " of": 300}


def vocabulary(whole: dict[str, int]) -> pd.DataFrame:
    """As `whole_words` gives it: each token, as a text, is so often a whole word."""
    columns = {"token": range(len(whole)), "text": list(whole), "word": [text.strip().lower() for text in whole]}
    return pd.DataFrame({**columns, "occurrences": [2 * n for n in whole.values()], "whole": list(whole.values())})


YARDSTICK = Yardstick(vocabulary(WHOLE), TABLE)  # seven words; frequent: good (12 + 8) and great, awful


def test_measure_by_hand():
    """2 + 2 - 2.5 - 3; one of two frequent positive words, the only negative one; four distinct words of seven."""
    assert YARDSTICK.measure(["good", "film", "awful", "good", "bad"]) == {
        "signed": -1.5, "recall_positive": 1 / 2, "recall_negative": 1,
        "precision_positive": 1 / 4, "precision_negative": 1 / 4, "recall_expected": 4 / 7,
    }  # fmt: skip
    assert list(YARDSTICK.measure([])) == MEASURES


def test_compounds_count_as_their_parts():
    yardstick = Yardstick(vocabulary({" feel-good": 30, " scene": 30}), TABLE)
    assert yardstick.measure(["feel-good", "scene"])["signed"] == 2 and yardstick.measure(["feel-good"])["recall_positive"] == 1


def test_nothing_to_find():
    nothing = YARDSTICK.measure([])
    assert (nothing["signed"], nothing["recall_positive"], nothing["recall_negative"], nothing["recall_expected"]) == (0, 0, 0, 0)
    assert math.isnan(nothing["precision_positive"]) and math.isnan(nothing["precision_negative"])
    rare = Yardstick(vocabulary({" good": 19, " scene": 30}), TABLE).measure(["good"])
    assert rare["signed"] == 2 and math.isnan(rare["recall_positive"]) and rare["precision_positive"] == 0
    neutral = Yardstick(vocabulary({" film": 90, " scene": 30}), TABLE).measure(["film"])
    assert all(math.isnan(neutral[name]) for name in ("signed", "recall_positive", "recall_negative")) and neutral["recall_expected"] == 1 / 2
    empty = Yardstick(vocabulary(WHOLE).iloc[:0], TABLE).measure([])
    assert all(map(math.isnan, empty.values()))


def test_words_of_tokens():
    """A token is a text with its space: " film" is one of the vocabulary, "film" may be a piece of a word."""
    assert YARDSTICK.words([" good", "Good", "film", " film", "ly", " unknown"]) == ["good", "good", "film"]


def test_features_by_hand():
    """Two layers of one seed and sample; base has a feature more in the second, which is capped away."""
    places = [
        place([line("", "good film")], [line("", "great Good")], layer=2),
        place([line("", "bad"), line("", "awful")], [line("", "great nowhere")], layer=5),
        place([line("", "scene")], [line("", "awful")], layer=2, seed=2),
    ]
    found = by_features(places, YARDSTICK, 30).set_index(["seed", "side"])
    promoted = {(1, "base"): ["good", "film", "bad"], (1, "rlhf"): ["great", "great"], (2, "base"): ["scene"], (2, "rlhf"): ["awful"]}
    assert found["promoted"].to_dict() == promoted  # " Good" is not the token "Good"
    for key, words in promoted.items():
        assert found.loc[key, MEASURES].to_dict() == pytest.approx(YARDSTICK.measure(words), nan_ok=True)
    assert found["signed"].to_dict() == {(1, "base"): -1, (1, "rlhf"): 8, (2, "base"): 0, (2, "rlhf"): -2.5}
    assert (found["run"] == "run1").all() and (found["sample"] == 1).all()
    one = by_features([place([line("", "good"), line("", "bad")], [line("", "film")] * 2)], YARDSTICK, 1)
    assert one["promoted"].tolist() == [["good"], ["film"]]


def test_controls_by_hand():
    columns = ["kind", "run", "side", "through", "layer", "seed", "place", "rank", "token"]
    rows = [
        ("random", "run1", "base", "base", 2, 1, 1, 1, " good"),
        ("random", "run1", "base", "base", 5, 1, 1, 1, " film"),  # layers are pooled
        ("random", "run1", "base", "base", 2, 2, 1, 1, " awful"),  # another draw
        ("random", "run2", "rlhf", "rlhf", 2, 1, 1, 1, " nowhere"),
        ("feature", "run1", "base", "rlhf", 2, 1, 1, 1, " great"),
        ("feature", "run1", "base", "rlhf", 2, 1, 1, 2, " bad"),
    ]
    found = by_controls(pd.DataFrame(rows, columns=columns), YARDSTICK)
    assert found[["kind", "run", "seed", "side", "through", "sample", "signed"]].values.tolist() == [
        ["feature", "run1", 1, "base", "rlhf", 1, 1.0],
        ["random", "run1", 1, "base", "base", 1, 2.0],
        ["random", "run1", 2, "base", "base", 1, -2.5],
        ["random", "run2", 1, "rlhf", "rlhf", 1, 0.0],
    ]
    assert found[MEASURES].iloc[1].to_dict() == YARDSTICK.measure(["good", "film"])
    none = by_controls(pd.DataFrame([], columns=columns), YARDSTICK)
    assert none.empty and {"kind", "side", *MEASURES} <= set(none)


# ---- placebo tables ----------------------------------------------------------------------------
OTHERS = ["film", "scene", "actor", "movie", "camera", "script", "music", "ending", "director", "story"]
ALONE = 1 / (DRAWS + 1)


def p_of(base: dict, rlhf: dict, table: dict[str, float], written=None, whole=None) -> tuple[float, list[float]]:
    """`placebo_p` of what each run's seeds promote (run -> a list of words by seed), all words in one stratum if not told otherwise."""
    whole = whole or dict.fromkeys([*table, *OTHERS], 30)
    rows = [(run, seed, 1, side, words) for side, runs in (("base", base), ("rlhf", rlhf)) for run, by_seed in runs.items()
            for seed, words in enumerate(by_seed, start=1)]  # fmt: skip
    features = pd.DataFrame(rows, columns=["run", "seed", "sample", "side", "promoted"])
    return placebo_p(features, placebos(Yardstick(vocabulary(whole), table), Counter(written or {}), 5))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_difference_that_no_placebo_shows(sign):
    """RLHF promotes the words of U, base none: on other words the same values make no difference."""
    table = {"good": sign * 2.0, "bad": sign * -3.0}
    assert p_of({"run1": [["film", "scene"]]}, {"run1": [["good", "good", "film"]]}, {**table, "scene": 0.0, "film": 0.0}) == (ALONE, [ALONE])
    assert p_of({"run1": [["bad"]]}, {"run1": [["good"]]}, table)[0] == ALONE


def test_u_that_is_the_same_everywhere_has_p_1():
    """As many words on either side: any values that are equal make no difference."""
    words = [*OTHERS, "good"]
    assert p_of({"run1": [words[:5]]}, {"run1": [words[5:10]]}, dict.fromkeys(words, 2.0)) == (1, [1])


def test_no_difference_has_p_1():
    assert p_of({"run1": [["good", "film"]]}, {"run1": [["scene", "good"]]}, {"good": 2.0}) == (1, [1])


def test_p_is_the_share_of_words_that_show_as_much():
    """One value on one of ten words: 2 x (3 - 1) of U; of the others one rises by 3, one falls by 2, one rises by 1."""
    base, rlhf = [["good", "scene", "scene"]], [["good"] * 3 + ["film"] * 3 + ["actor"]]
    p, (one,) = p_of({"run1": base}, {"run1": rlhf}, {"good": 2.0})
    assert p == one == pytest.approx(2 / 10, abs=4 * math.sqrt(0.2 * 0.8 / DRAWS))
    assert p_of({"run1": base}, {"run1": rlhf}, {"good": 0.1})[0] == p


def test_seeds_and_samples_are_averaged():
    """Of base's one seed and RLHF's two: "good" 1 and 1.5, "film" 1 and 0.5, "scene" 0 and 0.5; two of ten words differ as much."""
    base, rlhf = [["good", "film"]], [["good", "good", "film"], ["good", "scene"]]
    p, _ = p_of({"run1": base}, {"run1": rlhf}, {"good": 2.0})
    assert p == pytest.approx(2 / 10, abs=4 * math.sqrt(0.2 * 0.8 / DRAWS))
    thirds, _ = p_of({"run1": base}, {"run1": [*rlhf, ["good", "film"]]}, {"good": 2.0})  # 1/3, -1/3, 1/3
    assert thirds == p


def test_equal_differences_are_equal_in_floating_point():
    """1/6 of "good" against 4/6 - 1/2 of "film", which is less by rounding alone."""
    p, _ = p_of({"run1": [["film"], []]}, {"run1": [["good", "film"], ["film"], ["film"], ["film"], [], []]}, {"good": 2.0})
    assert p == pytest.approx(1 / 10, abs=4 * math.sqrt(0.1 * 0.9 / DRAWS))


def test_runs_are_averaged_and_each_has_its_own_p():
    """What one run shows the other takes back: of each alone one word of ten shows as much, both together show nothing."""
    both, (one, two) = p_of({"run1": [["film"]], "run2": [["good"]]}, {"run1": [["good"]], "run2": [["scene"]]}, {"good": 2.0})
    assert both == 1 and [one, two] == pytest.approx([1 / 10] * 2, abs=4 * math.sqrt(0.1 * 0.9 / DRAWS))
    assert p_of({"run1": [["film"]]}, {"run1": [["good"]]}, {"good": 2.0}) == (one, [one])  # the same placebos


def test_placebos_are_words_of_like_frequency():
    """In the train documents, which "actor" is not, and in what the tuned model writes, which "scene" is not: then "film" alone is like "good"."""
    whole, written = {"good": 30, "film": 30, "scene": 30, "actor": 2000}, {"good": 50, "film": 50, "actor": 50}
    assert p_of({"run1": [[]]}, {"run1": [["good", "film"]]}, {"good": 2.0}, written, whole) == (1, [1])
    assert p_of({"run1": [[]]}, {"run1": [["good", "scene", "actor"]]}, {"good": 2.0}, written, whole) == (ALONE, [ALONE])


def test_values_that_leave_their_stratum_are_counted():
    """Of "good" and "bad", 30 times each, one finds "film"; the other goes to "scene", 2000 times."""
    yardstick = Yardstick(vocabulary({" good": 30, " bad": 30, " film": 30, " scene": 2000}), {"good": 2.0, "bad": -3.0})
    assert placebos(yardstick, Counter(), 1).moved == 1


def test_no_placebo_weighs_as_much_where_other_words_are_few():
    words = ["good", "bad", "fine"]
    found = p_of({"run1": [["bad"]]}, {"run1": [["good"]]}, {"good": 2.0, "bad": -3.0, "fine": 1.0}, whole=dict.fromkeys([*words, "film"], 30))
    assert found == (1, [1])
    enough = p_of({"run1": [["bad"]]}, {"run1": [["good"]]}, {"good": 2.0, "bad": -3.0}, whole=dict.fromkeys(["good", "bad", "film", "scene"], 30))
    assert enough[0] == ALONE


def test_no_p_without_a_word_of_u():
    both, each = p_of({"run1": [["film"]], "run2": [[]]}, {"run1": [["scene"]], "run2": [[]]}, {"elsewhere": 2.0}, whole=dict.fromkeys(OTHERS, 30))
    assert math.isnan(both) and np.isnan(each).all() and len(each) == 2
