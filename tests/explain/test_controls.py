"""What rows raise through an unembedding, against a sort of all logits."""

import pandas as pd
import pytest
import tiny
import torch

from rewardscope.explain.controls import raised
from rewardscope.models import models

TOKENS = [5, 40, 41, 77, 120, 299]  # whole words are few of a vocabulary
WORDS = pd.DataFrame({"token": TOKENS, "text": [f" word{token}" for token in TOKENS]})
ROWS = torch.randn(3, tiny.WIDTH, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("promoted", [1, 4, 6, 50])
def test_the_words_that_a_row_raises_most(kind, promoted):
    """Also where fewer words than `promoted` are whole."""
    model = tiny.build(kind)
    found = pd.DataFrame(list(raised(ROWS, model, WORDS, promoted)))
    assert found.columns.tolist() == ["place", "rank", "token"] and len(found) == 3 * min(promoted, 6)
    for place, logits in enumerate(models.promoted(model, ROWS).tolist(), start=1):
        order = sorted(TOKENS, key=lambda token, logits=logits: -logits[token])[:promoted]
        of_row = found[found["place"] == place]
        assert of_row["token"].tolist() == [f" word{token}" for token in order]
        assert of_row["rank"].tolist() == list(range(1, len(order) + 1))


def test_another_unembedding_raises_other_words():
    """Through it a row raises what its direction is there."""
    model, other = tiny.build("gpt_neox"), tiny.build("gpt_neox")
    model.get_output_embeddings().weight.data.zero_()
    other.get_output_embeddings().weight.data.zero_()
    for place, (mine, its) in enumerate([(40, 299), (299, 5)]):
        model.get_output_embeddings().weight.data[mine] = ROWS[place] * models.final_norm(model)[0].weight.data
        other.get_output_embeddings().weight.data[its] = ROWS[place] * models.final_norm(other)[0].weight.data
    assert [[row["token"] for row in raised(ROWS[:2], through, WORDS, 1)] for through in (model, other)] == [
        [" word40", " word299"],
        [" word299", " word5"],
    ]


def test_no_rows_raise_nothing():
    assert list(raised(ROWS[:0], tiny.build("gpt2"), WORDS, 4)) == []
