"""Language models read from their module tree, so that no architecture needs a name here, and what their tokens are in a text."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd import forward_ad
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from rewardscope.checksums import intact_folder
from rewardscope.errors import UserError
from rewardscope.models import weights
from rewardscope.models.addends import addends

if TYPE_CHECKING:  # its import takes two seconds, which jobs that only want a tokenizer are spared
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

SIZE = 100.0  # root mean square of the residual at which a norm is measured: its epsilon is nothing beside it, its square no overflow
AGREES = 0.98  # right ones have .997 and more (30 tiny architectures, also in bfloat16), a scale by weight that is one by 1 + weight .59 to .89


def load(folder: str | Path, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu", whole: bool = False) -> "PreTrainedModel":
    """The causal language model in a local folder, in evaluation mode.

    Passes `dtype`: transformers 5 would load in the checkpoint's own. Safetensors only; no remote code. Weights that memory has no room for
    stay in their files (`weights.placed`), unless the `whole` model is wanted, to be changed. Raises UserError where a file is not the one
    that was written (`checksums.json`).
    """
    folder = intact_folder(folder)
    place = {} if whole else weights.placed(folder, dtype, device)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True, **place
    ).eval()
    return model if weights.stay(model) else model.to(device)


def load_tokenizer(folder: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer in a local folder."""
    return AutoTokenizer.from_pretrained(intact_folder(folder), trust_remote_code=False, local_files_only=True)


CHUNK = 1000  # documents tokenized at a time: Python lists of offsets take much memory


def spans(tokenizer: "PreTrainedTokenizerBase", texts: list[str], limit: int) -> Iterator[list[tuple[int, int]]]:
    """For each text, where its tokens (the first `limit`, special ones included) stand: spans that follow one another without a gap.

    Tokenizers' own offsets hold the space before a word or leave it out, and give one place to all bytes of a character. Here the
    space is the token's that follows it, and a character its last byte's; special tokens that were added are empty.
    """
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        coded = tokenizer(chunk, return_offsets_mapping=True, truncation=True, max_length=limit)
        for text, offsets in zip(chunk, coded["offset_mapping"], strict=True):
            ends, following = [], len(text)
            for begin, end in reversed(offsets):
                ends.append(min(end, following))
                following = begin if end > begin else following  # a token without a place says nothing of where others end
            row, begin = [], 0
            for end in reversed(ends):
                row.append((begin, max(begin, end)))
                begin = row[-1][1]
            yield row


def pieces(texts: pd.Series, tokenizer: "PreTrainedTokenizerBase", limit: int) -> Callable[[int], list[str]]:
    """A function from a document, an index of `texts`, to the strings of its first `limit` tokens, as `spans` has them."""

    @cache
    def of(document: int) -> list[str]:
        text = texts.loc[document]
        return [text[begin:end] for begin, end in next(spans(tokenizer, [text], limit))]

    return of


def as_read(tokenizer: "PreTrainedTokenizerBase", texts: list[str], limit: int) -> list[str]:
    """The texts as far as their first `limit` tokens go."""
    return [text[: row[-1][1] if row else 0] for text, row in zip(texts, spans(tokenizer, texts, limit), strict=True)]


def token_text(tokenizer: "PreTrainedTokenizerBase", token: int) -> str:
    """A token as it appears inside of a text, its leading space kept: what it adds to itself (decoded alone, many tokenizers drop the space)."""
    alone, twice = (tokenizer.decode([token] * times, clean_up_tokenization_spaces=False) for times in (1, 2))
    return twice[len(alone) :]


def decoded(tokenizer: "PreTrainedTokenizerBase", rows: list[list[int]]) -> list[str]:
    """The texts of rows of tokens without the special ones, no space taken away before punctuation."""
    return tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def continued(tokenizer: "PreTrainedTokenizerBase", before: list[list[int]], after: list[list[int]]) -> tuple[list[str], list[str], list[str]]:
    """The texts of the rows of tokens `before`, of these with the rows `after` behind them, and what `after` adds, its leading space kept."""
    openings = decoded(tokenizer, before)
    both = decoded(tokenizer, [[*first, *then] for first, then in zip(before, after, strict=True)])
    return openings, both, [whole[len(os.path.commonprefix([opening, whole])) :] for opening, whole in zip(openings, both, strict=True)]


def blocks(model: "PreTrainedModel") -> nn.ModuleList:
    """The decoder blocks, in order: the one list of `num_hidden_layers` equal modules in the backbone.

    Raises UserError where there is none or more than one.
    """
    count = model.config.get_text_config().num_hidden_layers
    lists = [
        (name, module)
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and len({type(block) for block in module}) == 1
    ]
    outer = [(n, m) for n, m in lists if not any(n.startswith(other + ".") for other, _ in lists if other != n)]
    if len(outer) != 1:
        names = ", ".join(name for name, _ in outer) or "none"
        raise UserError(f"{type(model).__name__}: cannot tell its {count} decoder blocks (candidates: {names})")
    return outer[0][1]


def mlp(block: nn.Module, d_model: int) -> nn.Module:
    """The MLP of a decoder block: its only child, attention apart, with matrices from and to `d_model`.

    Raises UserError, listing the block's children, where there is none or more than one.
    """
    candidates = {
        name: child
        for name, child in block.named_children()
        if "att" not in name.lower() and sum(d_model in p.shape for p in child.parameters() if p.dim() >= 2) >= 2
    }
    if len(candidates) != 1:
        children = ", ".join(name for name, _ in block.named_children())
        raise UserError(
            f"{type(block).__name__}: cannot tell its MLP among its children ({children}); set `activations.at: residual` to read the residual stream"
        )
    return next(iter(candidates.values()))


def d_model(model: "PreTrainedModel") -> int:
    """Width of the residual stream."""
    return model.config.get_text_config().hidden_size


def places(model: "PreTrainedModel", layers: Iterable[int], at: str) -> dict[int, nn.Module]:
    """For each layer the module whose output is read and steered: the block (`at` `residual`), or what its `mlp` adds to the residual stream.

    That is the MLP's output or, where the block has a norm behind its MLP, that norm's: a direction there is a direction of the residual stream.
    Raises UserError where the model has no such layer.
    """
    layers = list(layers)
    if beyond := [layer for layer in layers if layer >= len(blocks(model))]:
        raise UserError(f"layer {beyond[0]}: the model has {len(blocks(model))} layers, counted from 0")
    inside = {layer: blocks(model)[layer] for layer in layers}
    if at == "residual":
        return inside
    last = inside[max(inside)]
    starts = addends(model, {layer: mlp(block, d_model(model)) for layer, block in inside.items()}, last)
    chains = _chains(model, {starts[layer]: list(block.children()) for layer, block in inside.items()}, last)
    return {layer: chains[start][-1] for layer, start in starts.items()}


def final_norm(model: "PreTrainedModel") -> nn.Sequential:
    """What is between the last block and the unembedding: the final norm and, in a few models, a projection.

    Raises UserError where nothing is that takes the last block's output.
    """
    if model not in _final_norms:
        layers = blocks(model)
        within = {module for block in layers for module in block.modules()}
        outside = [module for module in model.base_model.modules() if module not in within and not list(module.children())]
        _final_norms[model] = nn.Sequential(*_chains(model, {layers[-1]: outside})[layers[-1]][1:])
    if not _final_norms[model]:
        raise UserError(f"{type(model).__name__}: cannot tell its final norm")
    return _final_norms[model]


_final_norms: WeakKeyDictionary[nn.Module, nn.Sequential] = WeakKeyDictionary()  # a pass may take seconds, and every random draw asks


def _chains(model: "PreTrainedModel", starts: dict[nn.Module, list[nn.Module]], until: nn.Module | None = None) -> dict[nn.Module, list[nn.Module]]:
    """Each module, and those of the ones listed for it that its output goes through one after the other, as a pass of one token shows."""
    chains: dict[nn.Module, list[nn.Module]] = {start: [] for start in starts}
    ends: dict[nn.Module, Tensor] = {}  # what the last of each chain gave
    calls: Counter[nn.Module] = Counter()

    def follow(module, args, kwargs, output):
        calls[module] += 1
        for start, among in starts.items():
            if module is start or (start in ends and module in among and any(x is ends[start] for x in (*args, *kwargs.values()))):
                chains[start].append(module)
                ends[start] = hidden(output)

    handles = [m.register_forward_hook(follow, with_kwargs=True) for m in {m for start, among in starts.items() for m in (start, *among)}]
    try:
        weights.run(model, torch.zeros(1, 1, dtype=torch.long), until)
    finally:
        for handle in handles:
            handle.remove()
    # a dropout that the attention's output goes through too gives more than the MLP's
    return {start: [*chain[:1], *takewhile(lambda module: calls[module] == 1, chain[1:])] for start, chain in chains.items()}


def hidden(output: Tensor | tuple | list) -> Tensor:
    """The hidden states in what a block or an MLP gives; some give more beside them."""
    return output if isinstance(output, Tensor) else output[0]


@torch.no_grad()
def promoted(model: "PreTrainedModel", directions: Float[Tensor, "n d_model"]) -> Float[Tensor, "n vocabulary"]:
    """Change of the next-token logits per unit of each direction of the residual stream, mean removed.

    The direction goes through the final norm and the unembedding. What they do to it is measured: the norm's derivative along
    the direction at a residual that is orthogonal to it and has no mean, so that the norm's divisor, the residual's root mean square,
    stays as it is. Left out is what is common to all tokens and changes no order: that divisor, and a scale of the logits. So is
    a soft cap of the logits, which grows with them; `check_promoted` says where it matters.
    """
    norm, head = final_norm(model), model.get_output_embeddings()
    directions = directions.to(weights.device(model), head.weight.dtype)
    centred = directions - directions.mean(dim=1, keepdim=True)
    residual = torch.arange(centred.shape[1], device=centred.device).cos().to(centred).expand_as(centred)  # any will do
    residual = residual - residual.mean(dim=1, keepdim=True)
    along = (residual * centred).sum(1, keepdim=True) / centred.square().sum(1, keepdim=True).clamp_min(torch.finfo(centred.dtype).tiny)
    residual = residual - along * centred
    residual *= SIZE / residual.square().mean(dim=1, keepdim=True).sqrt()
    with forward_ad.dual_level():
        changes = SIZE * forward_ad.unpack_dual(norm(forward_ad.make_dual(residual, directions))).tangent
    logits = head(changes) - head(torch.zeros_like(changes[:1]))  # less its bias
    return (logits - logits.mean(dim=1, keepdim=True)).float()


@torch.no_grad()
def steered(
    model: "PreTrainedModel", place: nn.Module, added: Float[Tensor, "*windows T d_model"], input_ids: Int[Tensor, "W T"]
) -> Float[Tensor, "W T vocabulary"]:
    """The logits of windows when `added` is added to the output of `place`, a module of the model."""

    def add(_module, _inputs, output):
        return output + added if isinstance(output, Tensor) else (output[0] + added, *output[1:])

    handle = place.register_forward_hook(add)
    try:
        return model(input_ids=input_ids, use_cache=False).logits
    finally:
        handle.remove()


def check_promoted(model: "PreTrainedModel", at: str, input_ids: Int[Tensor, "W T"], seed: int) -> float:
    """The correlation over tokens, a median over the positions of the windows, of `promoted` with what the model does when steered.

    Steered where an autoencoder of the last block reads (`places`), with nothing but norm and unembedding behind it: at each
    position along a random direction of its own, orthogonal to the residual there and half as long, forth and back. The norm's divisor is
    then the same both ways, and the difference of the logits is what `promoted` says, up to a number.
    Raises UserError where the correlation is below `AGREES`.
    """
    last = len(blocks(model)) - 1
    seen: list[Tensor] = []
    place = places(model, [last], at)[last]
    handle = blocks(model)[last].register_forward_hook(lambda _module, _inputs, output: seen.append(hidden(output).clone()))
    try:
        weights.run(model, input_ids)
    finally:
        handle.remove()
    residual = seen[-1].float()
    drawn = torch.randn(residual.shape, generator=torch.Generator().manual_seed(seed)).to(residual)
    drawn -= residual * (drawn * residual).sum(-1, keepdim=True) / residual.square().sum(-1, keepdim=True)
    added = (drawn * residual.norm(dim=-1, keepdim=True) / drawn.norm(dim=-1, keepdim=True) / 2).to(seen[-1])
    change = (steered(model, place, added, input_ids) - steered(model, place, -added, input_ids)).float().flatten(0, 1)
    pairs = zip(promoted(model, added.flatten(0, 1)), change, strict=True)
    correlation = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs]).nanmedian().item()
    if not correlation >= AGREES:
        raise UserError(
            f"{type(model).__name__}: steered along a direction it does not promote what its final norm and unembedding say "
            f"(correlation {correlation:.2f}, {AGREES} is needed), so that features would be shown wrongly; "
            + ("set `activations.at: residual` or " if at == "mlp" else "")
            + "choose another model"
        )
    return correlation
