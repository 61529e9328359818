"""What a model must allow, tried on a handful of tokens before hours are spent on it."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn
from transformers import PreTrainedModel

from rewardscope.errors import UserError, brief
from rewardscope.models import models, weights
from rewardscope.run.budget import need_context, need_width
from rewardscope.seeds import derive

TOKENS = 8  # of the texts that are tried


def trial(
    name: str, model: PreTrainedModel, at: str, lengths: dict[str, int], layers: Mapping[str, int] = MappingProxyType({}), width: int = 0
) -> None:
    """Raises UserError, one line, where a later step would fail on the model.

    Tried are its blocks, a forward pass and a few generated tokens, where activations are read (`at`) in every layer, and whether directions
    promote what norm and unembedding say. `lengths`: config key -> tokens of the texts that it asks for, which must fit the model's context.
    `layers`: what the config says -> how many layers that takes. `width`: of the largest autoencoder.
    """
    need_context(name, lengths, getattr(model.config.get_text_config(), "max_position_embeddings", None))
    rows = model.get_input_embeddings().num_embeddings
    ids = torch.linspace(0, rows - 1, 2 * TOKENS).long().view(2, TOKENS)
    try:
        there = model.config.get_text_config().num_hidden_layers
        if beyond := next((pick for pick, count in layers.items() if count > there), None):
            raise UserError(f"{beyond}, but the model has {there} layers, counted from 0; lower it")
        need_width(width, models.d_model(model))
        places = models.places(model, range(len(models.blocks(model))), at)
        for layer, x in _outputs(model, places, ids).items():
            if x.shape != (*ids.shape, models.d_model(model)):
                raise UserError(f"layer {layer} gives activations of shape {list(x.shape)} for texts of shape {list(ids.shape)}; use another model")
            if not x.isfinite().all():
                raise UserError(f"layer {layer} gives activations that are not finite; the model is broken: use another")
        models.check_promoted(model, at, ids, derive(0, "trial"))
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=2, do_sample=False, pad_token_id=0)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except Exception as error:  # each architecture has its own
        raise fails(name, model, error) from error


def fails(name: str, model: PreTrainedModel, error: Exception) -> UserError:
    """What a model's own error in a pass over a few tokens becomes."""
    return UserError(f"{name}: {type(model).__name__} fails on a few tokens ({type(error).__name__}: {brief(error)}); use another model")


def _outputs(model: PreTrainedModel, places: dict[int, nn.Module], ids: torch.Tensor) -> dict[int, torch.Tensor]:
    seen: dict[int, torch.Tensor] = {}
    handles = [place.register_forward_hook(lambda _m, _i, out, n=n: seen.update({n: models.hidden(out).clone()})) for n, place in places.items()]
    try:
        weights.run(model, ids)
    finally:
        for handle in handles:
            handle.remove()
    return seen
