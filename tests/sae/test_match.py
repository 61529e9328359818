"""Matching two dictionaries: Equation 2 by hand, and the assignment by trying them all."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from rewardscope import checksums
from rewardscope.sae import match

# Cosines of a's rows with b's: (0.6, 1, -1), (0.8, 0, 0).
A = np.array([[1.0, 0.0], [0.0, 2.0]])
B = np.array([[3.0, 4.0], [1.0, 0.0], [-1.0, 0.0]])


def ranked(n: int, *none: int) -> np.ndarray:
    return ~np.isin(np.arange(n), none)


def test_cosines_by_hand():
    np.testing.assert_allclose(match.cosines(A, B), [[0.6, 1, -1], [0.8, 0, 0]])


def test_a_zero_row_has_cosine_zero():
    np.testing.assert_array_equal(match.cosines(np.zeros((1, 2)), B), [[0, 0, 0]])


def test_mmcs_by_hand_and_not_symmetric():
    assert match.mmcs(A, B) == pytest.approx((1 + 0.8) / 2)
    assert match.mmcs(B, A) == pytest.approx((0.8 + 1 + 0) / 3)


@pytest.mark.parametrize(("a", "b"), [(A[:0], B), (A, B[:0])])
def test_mmcs_of_nothing_is_no_number(a, b):
    assert np.isnan(match.mmcs(a, b))


def test_match_by_hand():
    # Nearest: 0 -> 1 (cosine 1), 1 -> 0 (0.8), 2 -> 1 (0.96). One to one, 0 and 2 both want 1: 2 gives way to
    # 0 (1 + 0.8 + 0.28 against 0.96 + 0.8 - 1 and 0.96 + 0.6 + 0).
    small = np.array([[1.0, 0.0], [0.0, 2.0], [0.96, -0.28]])
    large = np.array([[3.0, 4.0], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    table = match.match(small, large, ranked(3), ranked(4))
    assert table.columns.tolist() == ["place", "small", "large", "cosine", "partner", "partner_cosine"]
    assert table["place"].tolist() == [1, 2, 3]
    assert table["small"].tolist() == [0, 2, 1]
    assert table["large"].tolist() == [1, 1, 0]  # partners may repeat
    assert table["cosine"].tolist() == pytest.approx([1, 0.96, 0.8])
    assert table["partner"].tolist() == [1, 3, 0]
    assert table["partner_cosine"].tolist() == pytest.approx([1, 0.28, 0.8])


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=(8, 3)).astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_indices_are_those_of_the_full_dictionaries(pair):
    small, large = pair
    table = match.match(small, large, ranked(6, 0, 3), ranked(8, 0, 1, 5))
    theirs = [2, 3, 4, 6, 7]
    assert table["place"].tolist()[:4] == [1, 2, 3, 4] and table["place"].isna().tolist() == [False] * 4 + [True] * 2
    assert table["small"].tolist()[4:] == [0, 3]
    assert sorted(table["small"]) == list(range(6))
    for line in table.head(4).itertuples():
        best = max(theirs, key=lambda j: cosine(small[line.small], large[j]))
        assert line.large == best
        assert line.cosine == pytest.approx(cosine(small[line.small], large[best]), rel=1e-5)
        assert line.partner_cosine == pytest.approx(cosine(small[line.small], large[line.partner]), rel=1e-5)
    assert table["cosine"].head(4).is_monotonic_decreasing
    assert table.loc[4:, ["place", "large", "cosine", "partner", "partner_cosine"]].isna().all(axis=None)


@pytest.mark.parametrize("no_small", [(), (1,), (0, 1, 2, 3)], ids=["6 of 8", "5 of 8", "2 of 8"])
def test_partners_against_every_assignment(pair, no_small):
    small, large = pair
    ours = [i for i in range(6) if i not in no_small]
    similarity = np.array([[cosine(small[i], large[j]) for j in range(8)] for i in ours])
    best = max(permutations(range(8), len(ours)), key=lambda js: similarity[range(len(ours)), js].sum())
    table = match.match(small, large, ranked(6, *no_small), ranked(8)).head(len(ours))
    assert dict(zip(table["small"], table["partner"], strict=True)) == dict(zip(ours, best, strict=True))


def test_with_fewer_large_features_some_have_no_partner_but_all_a_nearest(pair):
    large, small = pair
    table = match.match(small, large, ranked(8), ranked(6, 2))
    assert table["large"].notna().all() and table["place"].tolist() == list(range(1, 9))
    assert table["partner"].notna().sum() == 5 and table["partner"].nunique() == 5
    assert table["partner"].isna().equals(table["partner_cosine"].isna())
    assert set(table["partner"].dropna()) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(("small", "large"), [(range(2), ()), ((), range(3)), (range(2), range(3))])
def test_none_ranked_means_no_places(small, large):
    table = match.match(A, B, ranked(2, *small), ranked(3, *large))
    assert table["small"].tolist() == [0, 1]
    assert table.drop(columns="small").isna().all(axis=None)
    line = match.summary(table, A, B, ranked(2, *small), ranked(3, *large), top_k=1)
    assert (line["ranked"], line["ranked_large"]) == (2 - len(small), 3 - len(large))
    assert np.isnan([line[name] for name in ("mmcs", "mmcs_top_k", "mmcs_reverse", "mmcs_one_to_one")]).all()


def test_equal_cosines_keep_the_order_of_features():
    table = match.match(np.tile(A, (500, 1)), B, ranked(1000, 2), ranked(3))  # cosines 1, 0.8, 1, 0.8, ...
    assert table["small"].tolist() == [0, *range(4, 1000, 2), *range(1, 1000, 2), 2]


def test_summary_by_hand():
    # Best cosines 1 and 0.8 and, for the third and unranked row of the small one, 1 again.
    small = np.vstack([A, [-1.0, 0.0]])
    table = match.match(small, B, ranked(3, 2), ranked(3))
    assert match.summary(table, small, B, ranked(3, 2), ranked(3), top_k=1) == pytest.approx(
        {
            "ranked": 2,
            "ranked_large": 3,
            "mmcs": 0.9,
            "mmcs_top_k": 1.0,
            "mmcs_reverse": (0.8 + 1 + 0) / 3,
            "mmcs_one_to_one": 0.9,
        }
    )


def test_summary_of_more_than_there_are_takes_those_there_are():
    table = match.match(A, B, ranked(2, 0), ranked(3))
    assert match.summary(table, A, B, ranked(2, 0), ranked(3), top_k=30)["mmcs_top_k"] == pytest.approx(0.8)


def test_table_goes_through_parquet(tmp_path, pair):
    table = match.match(*pair, ranked(6, 1), ranked(8))
    table.to_parquet(tmp_path / "t.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)


@pytest.mark.parametrize("tied", [True, False])
def test_load_takes_the_decoder_and_ranks_by_fires(tmp_path, tied):
    tensors = {"w_enc": A.astype(np.float32), "fires": np.array([19, 20])}
    if not tied:
        tensors["w_dec"] = -A.astype(np.float32)
    save_file(tensors, tmp_path / "sae.safetensors")
    checksums.write(tmp_path)
    rows, living = match.load(tmp_path, min_fires=20)
    np.testing.assert_array_equal(rows, A if tied else -A)
    assert living.tolist() == [False, True]


def test_shapes_are_checked_while_tests_run():
    with pytest.raises(TypeError):
        match.match(A, B, ranked(3), ranked(3))


def test_consistency_by_hand():
    """PW-MCC of three seeds: rows are assigned one to one, so two alike cannot both have the nearest."""
    a, b = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert match.consistency([a, b]) == pytest.approx([0.8, 0.8])  # 1 and .6
    assert match.consistency([a, b, -b]) == pytest.approx([(0.8 - 0.4) / 2, 0.8 / 2, -0.4 / 2])


def test_consistency_of_a_selection_looks_among_all_rows_of_the_others():
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.6, 0.8], [1.0, 0.0]])
    assert match.consistency([a[:1], b[:1]], [a, b]) == pytest.approx([1.0, 0.8])


def test_consistency_of_one_seed_or_nothing_is_no_number():
    a = np.array([[1.0, 0.0]])
    assert np.isnan(match.consistency([a])).all()
    assert np.isnan(match.consistency([a, a[:0]])).all()
