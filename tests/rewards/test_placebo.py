"""Placebo word tables: where a value may go, and that none gets lost while there is room."""

import numpy as np
import pytest

from rewardscope.rewards.placebo import Placebo, stem, strata

OTHERS = ["film", "scene", "actor", "movie", "camera", "script"]


def drawn(placebo: Placebo, words: list[str], seed: int = 0) -> dict[str, float]:
    """The words with a value in one draw."""
    return {word: value for word, value in zip(words, placebo.draw(np.random.default_rng(seed)).tolist(), strict=True) if value}


@pytest.mark.parametrize(
    "inflections",
    [
        "love loves loved lovely love's",
        "enjoy enjoys enjoyed enjoying enjoyable enjoyably enjoyment",
        "worry worries worried worrying",
        "happy happily happier happiest happiness",
        "terrible terribly",
        "great greater greatest greatly greatness",
        "hope hopes hoped hopeful hopefully",
        "amaze amazed amazing amazingly",
        "excite excited excitedly excitement",
    ],
)
def test_inflections_share_a_stem(inflections):
    assert len({stem(word) for word in inflections.split()}) == 1


@pytest.mark.parametrize("word", ["", "s", "bed", "bad", "less", "ring", "use's", "film"])
def test_four_letters_are_left(word):
    assert stem(word) == word or len(stem(word)) >= 4


def test_strata_double():
    """0 | 1 | 2, 3 | 4 to 7 | 8 to 15 of either frequency."""
    assert strata([0, 1, 2, 3, 4, 7, 8, 15, 16]) == [(0,), (1,), (2,), (2,), (3,), (3,), (4,), (4,), (5,)]
    assert strata([1, 100], [0, 3]) == [(1, 0), (7, 2)]


def test_every_value_moves_inside_its_stratum():
    words = ["good", "bad", "fine", *OTHERS]
    often = [9, 9, 1, 8, 15, 12, 1, 1, 40]  # strata of values: 4, 4, 1; of others: 4, 4, 4, 1, 1, 6
    table, seen = {"good": 2.0, "bad": -3.0, "fine": 1.0, "elsewhere": 9.0}, set()
    placebo = Placebo(words, table, often)
    for seed in range(60):
        found = drawn(placebo, words, seed)
        assert sorted(found.values()) == [-3, 1, 2] and placebo.short == placebo.moved == 0
        where = {value: word for word, value in found.items()}
        assert {where[2.0], where[-3.0]} < {"film", "scene", "actor"} and where[1.0] in {"movie", "camera"}
        seen |= set(found.items())
    assert len(seen) == 2 * 3 + 2  # every value on every other word of its stratum


def test_draws_are_even():
    """Each of three words has each of two values in a third of 3000 draws: a standard error is 26."""
    words = ["good", "bad", *OTHERS[:3]]
    placebo, rng = Placebo(words, {"good": 2.0, "bad": -3.0}, [1] * 5), np.random.default_rng(0)
    draws = np.stack([placebo.draw(rng) for _ in range(3000)])
    assert (draws[:, :2] == 0).all()
    counts = [(draws[:, 2:] == value).sum(axis=0) for value in (2.0, -3.0)]
    assert np.abs(np.array(counts) - 1000).max() < 4 * 26


def test_a_draw_is_what_its_seed_says():
    words = ["good", "bad", *OTHERS]
    placebo = Placebo(words, {"good": 2.0, "bad": -3.0}, [1] * 8)
    assert drawn(placebo, words, 1) == drawn(placebo, words, 1) != drawn(placebo, words, 2)


def test_no_word_of_the_table_nor_an_inflection_has_a_value():
    """Nor one that the table gives 0, nor a compound: its parts count in the reward."""
    table = {"good": 2.0, "great": 3.0, "plain": 0.0, "happy": 1.0, "bad": -4.0}
    words = "good goods good's great greatest plain plainly happy happily bad badly badness feel-good great-looking a-goods not-bad".split() + OTHERS
    placebo = Placebo(words, table, [1] * len(words))
    for seed in range(40):
        found = drawn(placebo, words, seed)
        assert set(found) <= set(OTHERS) and sorted(found.values()) == [-4, 1, 2, 3]


def test_words_outside_the_vocabulary_keep_their_inflections_out():
    words = ["good", "terribly", "film"]
    assert {word for seed in range(20) for word in drawn(Placebo(words, {"good": 1.0, "terrible": -2.0}, [1] * 3), words, seed)} == {"film"}


def test_what_is_left_over_goes_to_the_nearest_stratum():
    """Strata of values 2, 2, 2; of others 2, 4 and 7: one stays, the next goes to 4, which is then full, the last to 7."""
    words = ["good", "bad", "fine", "film", "scene", "actor"]
    placebo = Placebo(words, {"good": 2.0, "bad": -3.0, "fine": 1.0}, [2, 2, 3, 3, 9, 100])
    for seed in range(20):
        found = drawn(placebo, words, seed)
        assert set(found) == {"film", "scene", "actor"} and sorted(found.values()) == [-3, 1, 2]
    assert (placebo.moved, placebo.short) == (2, 0)
    two = Placebo(words[:2] + words[3:], {"good": 2.0, "bad": -3.0}, [2, 2, 3, 9, 100])
    assert {word for seed in range(20) for word in drawn(two, words[:2] + words[3:], seed)} == {"film", "scene"}


def test_nearest_is_nearest_by_both_frequencies():
    """(3, 3) to (5, 5), (6, 3) and (0, 0): distances 4, 3 and 6."""
    words = ["good", "film", "scene", "actor"]
    assert drawn(Placebo(words, {"good": 2.0}, [7, 31, 63, 0], [7, 31, 7, 0]), words) == {"scene": 2.0}


def test_own_values_come_before_what_is_left_over():
    """Two values and one other word of stratum 1, one and one of stratum 2, three other words of stratum 3: only a left over one is moved away."""
    words = ["good", "bad", "fine", "film", "scene", "actor", "movie", "camera"]
    placebo = Placebo(words, {"good": 2.0, "bad": 2.5, "fine": -1.0}, [1, 1, 2, 1, 2, 4, 4, 4])
    for seed in range(20):
        found = drawn(placebo, words, seed)
        assert found["scene"] == -1 and found["film"] in (2, 2.5) and len(found) == 3


def test_equal_values_stay_as_many():
    words = ["good", "fine", "nice", *OTHERS]
    placebo = Placebo(words, {"good": 2.0, "fine": 2.0, "nice": 2.0}, [1, 1, 50, 1, 2, 4, 8, 16, 32])
    assert list(drawn(placebo, words).values()) == [2, 2, 2]


def test_without_room_values_are_left_out():
    words = ["good", "bad", "fine", "film"]
    placebo = Placebo(words, {"good": 2.0, "bad": -3.0, "fine": 1.0}, [1, 1, 1, 1])
    assert placebo.short == 2
    assert {tuple(drawn(placebo, words, seed)) for seed in range(20)} == {("film",)}
    assert {value for seed in range(40) for value in drawn(placebo, words, seed).values()} == {2, -3, 1}  # any of them
    none = Placebo(words[:3], {"good": 2.0, "bad": -3.0, "fine": 1.0}, [1, 1, 1])
    assert none.short == 3 and not drawn(none, words[:3])


def test_without_values_nothing_is_drawn():
    placebo = Placebo(OTHERS, {"good": 2.0, "film": 0.0}, [1] * 6)
    assert placebo.values == {} and placebo.short == 0 and not drawn(placebo, OTHERS)
