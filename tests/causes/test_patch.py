"""Generation with replaced activations: exact where the answer is known without it."""

import copy

import pytest
import tiny
import torch

from rewardscope.causes import causes
from rewardscope.causes.features import part
from rewardscope.causes.patch import NOTHING, Patch, generate, hooked, replaced, written
from rewardscope.models import models
from rewardscope.rlhf import completions
from rewardscope.sae.model import SAE, new

ARCHITECTURES = ("gpt_neox", "llama")
LAYERS, NEW, SEEDS = list(range(tiny.LAYERS)), 4, list(range(9))
PREFIX = torch.randint(2, tiny.VOCABULARY, (9, 4), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def sides(request):
    """Two models that differ in all but the final norm and the unembedding, and the places of each."""
    base, tuned = tiny.build(request.param), tiny.build(request.param, seed=5)
    for ours, theirs in zip(
        (models.final_norm(base), base.get_output_embeddings()), (models.final_norm(tuned), tuned.get_output_embeddings()), strict=True
    ):
        theirs.load_state_dict(ours.state_dict())
    return [causes.side(model, LAYERS)[0] for model in (base, tuned)]


def write(sides, patch, batch: int = 200):
    return generate(*sides, patch, PREFIX, NEW, SEEDS, batch)


def test_without_a_patch_it_is_generate(sides):
    base, tuned = sides
    found = write(sides, NOTHING)
    assert torch.equal(found.ids, completions.generate(base.model, PREFIX, NEW, 1.0, SEEDS))
    assert not torch.equal(found.ids, completions.generate(tuned.model, PREFIX, NEW, 1.0, SEEDS))
    assert found.kl.abs().max() < 1e-6
    assert torch.equal(write(sides, NOTHING, batch=4).ids, found.ids)


def test_the_last_residual_is_all_that_the_donor_says(sides):
    """Norm and unembedding are shared here: what is left is the donor."""
    _, tuned = sides
    patch = Patch("residual", (tiny.LAYERS - 1,))
    assert torch.equal(write(sides, patch).ids, completions.generate(tuned.model, PREFIX, NEW, 1.0, SEEDS))
    states = []
    for model, given in ((tuned.model, None), (sides[0].model, states)):
        last = {0: models.blocks(model)[-1]}
        with torch.no_grad(), hooked(last, lambda _, output, given=given: states.append(output) if given is None else given[0]):
            states.append(model.base_model(input_ids=PREFIX, use_cache=False).last_hidden_state)
    torch.testing.assert_close(states[1], states[2])


@torch.no_grad()
@pytest.mark.parametrize("patch", [Patch("mlp", (1,)), Patch("mlp", tuple(LAYERS)), Patch("residual", (0,))], ids=["mlp", "all mlps", "residual"])
def test_a_patch_at_every_position_read_anew_at_every_step(sides, patch):
    """No cache: the donor reads the same tokens so far, and all its outputs there take the receiver's place."""
    receiver, donor = (side.model for side in sides)
    outputs = lambda model: {n: module for n, module in sides[model is donor].places[patch.at].items() if n in patch.layers}
    uniform, ids, given = completions.draws(SEEDS, NEW), PREFIX, {}
    kls, logs = [], []
    for i in range(NEW):
        with hooked(outputs(donor), given.__setitem__):
            by_donor = donor(input_ids=ids, use_cache=False).logits[:, -1].log_softmax(-1)
        alone = receiver(input_ids=ids, use_cache=False).logits[:, -1].log_softmax(-1)
        with hooked(outputs(receiver), lambda layer, _: given[layer]):
            logits = receiver(input_ids=ids, use_cache=False).logits[:, -1]
        token = completions.pick(logits, uniform[:, i : i + 1])
        p = logits.softmax(-1)
        kls.append((p * (p.log() - alone)).sum(-1))
        logs.append([alone.gather(1, token)[:, 0], by_donor.gather(1, token)[:, 0]])
        ids = torch.cat([ids, token], dim=1)
    found = write(sides, patch)
    assert torch.equal(found.ids, ids[:, -NEW:]) and not torch.equal(found.ids, write(sides, NOTHING).ids)
    torch.testing.assert_close(found.kl, torch.stack(kls, dim=1), rtol=1e-3, atol=1e-4)
    for column, expected in zip((found.receiver, found.donor), zip(*logs, strict=True), strict=True):
        torch.testing.assert_close(column, torch.stack(expected, dim=1), rtol=1e-4, atol=1e-4)


def perfect(width: int) -> SAE:
    """relu(x) - relu(-x) = x."""
    both = torch.cat([torch.eye(width), -torch.eye(width)])[None]
    return SAE(both, torch.zeros(1, 2 * width), both, torch.zeros(1, width))


def test_all_features_of_a_perfect_dictionary_are_the_whole_output(sides):
    whole = write(sides, Patch("mlp", (1,)))
    through = write(sides, Patch("mlp", (1,), perfect(tiny.WIDTH)))
    assert torch.equal(through.ids, whole.ids)
    torch.testing.assert_close(through.kl, whole.kl, rtol=1e-3, atol=1e-4)


def test_no_feature_changes_nothing_and_one_moves_along_its_own_row():
    own, given = torch.randn(2, 3, 2, 5, generator=torch.Generator().manual_seed(1)).unbind(0)
    sae = new(7, 5, [2], tied=False)
    sae.w_dec = torch.randn(1, 7, 5)
    assert torch.equal(replaced(own, given, part(sae, [])), own)
    f, g = (torch.relu(x @ sae.w_enc[0, 4]) for x in (own, given))
    torch.testing.assert_close(replaced(own, given, part(sae, [4])), own + (g - f)[..., None] * sae.w_dec[0, 4])
    assert torch.equal(replaced(own, given, None), given)


def test_an_end_token_is_the_last_that_was_written():
    ids = torch.tensor([[5, 0, 6, 0], [0, 7, 8, 9], [5, 6, 7, 8]])
    assert written(ids, 0).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert written(ids, None).sum() == 12


def test_hooks_do_not_outlive_an_error(sides):
    model = copy.deepcopy(sides[0].model)
    with pytest.raises(ZeroDivisionError), hooked({0: models.blocks(model)[0]}, lambda layer, output: 1 / 0):
        model(input_ids=PREFIX)
    assert not models.blocks(model)[0]._forward_hooks
