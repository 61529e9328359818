"""Which features are kept, and where they fire."""

import numpy as np
import pandas as pd
import pytest
import torch

from rewardscope.sae import fire
from rewardscope.sae import model as sae

D, WIDTH, TOKENS = 4, 9, 23


def matched(ranked: int, unranked: int = 3) -> pd.DataFrame:
    """A table of matched features: feature 100 at place 1, and so on; then features without a place."""
    place = [*range(1, ranked + 1), *[None] * unranked]
    return pd.DataFrame({"place": pd.array(place, dtype="Int32"), "small": np.arange(100, 100 + ranked + unranked, dtype=np.int32)})


def test_selection_is_the_top_and_as_many_others():
    chosen = fire.selection(matched(40), top_k=10, seed=1)
    assert chosen.columns.tolist() == ["feature", "place", "control"]
    top, controls = chosen[~chosen["control"]], chosen[chosen["control"]]
    assert top["feature"].tolist() == list(range(100, 110)) and top["place"].tolist() == list(range(1, 11))
    assert len(controls) == 10 and controls["feature"].is_unique
    assert controls["feature"].between(110, 139).all()  # ranked, and none of the top
    assert (controls["feature"] == controls["place"] + 99).all()


def test_controls_are_random_but_fixed():
    draws = [fire.selection(matched(40), 10, seed)["feature"].tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0] != list(range(100, 120))


def test_every_other_feature_can_be_a_control():
    seen = {f for seed in range(60) for f in fire.selection(matched(20), 5, seed)["feature"]}
    assert seen == set(range(100, 120))


@pytest.mark.parametrize(("ranked", "controls"), [(0, 0), (4, 0), (10, 0), (13, 3), (20, 10)])
def test_fewer_features_than_asked(ranked, controls):
    chosen = fire.selection(matched(ranked), top_k=10, seed=1)
    assert chosen["feature"].tolist()[: min(ranked, 10)] == list(range(100, 100 + min(ranked, 10)))
    assert chosen["control"].tolist() == [False] * min(ranked, 10) + [True] * controls


@pytest.fixture
def model() -> sae.SAE:
    model = sae.new(WIDTH, D, [1], tied=True)
    model.b_enc += torch.linspace(-1, 1, WIDTH)
    model.b_enc[0, 6] = -100  # never fires
    return model


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(TOKENS, D, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def tokens() -> pd.DataFrame:
    """Documents in no order, as batches are made; positions within them."""
    document = np.repeat([7, 2, 5], [10, 4, 9]).astype(np.int32)
    position = np.concatenate([np.arange(1, n + 1) for n in (10, 4, 9)]).astype(np.int32)
    return pd.DataFrame({"document": document, "position": position})


@pytest.mark.parametrize("sizes", [[23], [1, 15, 7]], ids=["one shard", "three shards"])
def test_fires_against_the_dense_activations(model, x, tokens, sizes):
    chosen = np.array([8, 0, 6, 3], dtype=np.int32)
    (fires,) = fire.fire([model], [chosen], x.split(sizes), tokens)
    dense = np.maximum(x.numpy() @ model.w_enc[0].numpy().T + model.b_enc[0].numpy(), 0)
    expected = sorted(
        (feature, tokens["document"][row], tokens["position"][row], dense[row, feature])
        for feature in chosen
        for row in range(TOKENS)
        if dense[row, feature] > 0
    )
    assert 0 < len(expected) < 3 * TOKENS and {line[0] for line in expected} == {0, 3, 8}
    assert fires.columns.tolist() == ["feature", "document", "position", "value"]
    assert list(fires[["feature", "document", "position"]].itertuples(index=False, name=None)) == [e[:3] for e in expected]
    np.testing.assert_allclose(fires["value"], [e[3] for e in expected], rtol=1e-5, atol=1e-7)


def test_a_feature_that_never_fires_gives_no_row(model, x, tokens):
    assert fire.fire([model], [np.array([6])], [x], tokens)[0].empty


def test_too_few_rows_for_the_index_are_refused(model, x, tokens):
    with pytest.raises(ValueError, match="22 activation rows, 23 in the token index"):
        fire.fire([model], [np.array([0, 3])], [x[:22]], tokens)


@pytest.mark.parametrize("feature", [3, 6], ids=["fires", "never fires"])
def test_too_many_rows_for_the_index_are_refused(model, x, tokens, feature):
    with pytest.raises((ValueError, IndexError)):
        fire.fire([model], [np.array([feature])], [x, x], tokens)


def test_several_autoencoders_share_one_read(model, x, tokens):
    chosen = [np.array([8, 0]), np.array([3])]
    together = fire.fire([model, model], chosen, iter([x]), tokens)
    for found, of in zip(together, chosen, strict=True):
        pd.testing.assert_frame_equal(found, fire.fire([model], [of], [x], tokens)[0])
