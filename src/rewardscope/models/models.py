"""Language models read from their module tree, so that no architecture needs a name here, and what their tokens are in a text."""

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from rewardscope.checksums import intact_folder
from rewardscope.errors import UserError

if TYPE_CHECKING:  # its import takes two seconds, which jobs that only want a tokenizer are spared
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def load(folder: str | Path, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu") -> "PreTrainedModel":
    """The causal language model in a local folder, in evaluation mode.

    Passes `dtype`: transformers 5 would load in the checkpoint's own. Safetensors only; no remote code. Raises
    UserError where a file is not the one that was written (`checksums.json`).
    """
    model = AutoModelForCausalLM.from_pretrained(
        intact_folder(folder), dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    return model.to(device).eval()


def load_tokenizer(folder: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer in a local folder."""
    return AutoTokenizer.from_pretrained(intact_folder(folder), trust_remote_code=False, local_files_only=True)


LONGEST = 1000  # characters of a "word" that a tokenizer is trained on
UNBROKEN = re.compile(rf"(?<!\S)\S{{{LONGEST}}}|(?<!\s)\s{{{LONGEST}}}")  # what has no such run has no longer word
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


def short_words(texts: list[str], split: "PreTokenizer") -> Iterator[str]:
    """The texts, cut inside of "words", as `split` sees them, of more than LONGEST characters.

    The trainers of `tokenizers` take time that grows with the square of a word. Other words, and so texts without such a word, are as they were.
    """
    for text in texts:
        start = 0
        for _, (begin, end) in split.pre_tokenize_str(text) if UNBROKEN.search(text) else ():
            for cut in range(begin, end, LONGEST) if end - begin > LONGEST else ():
                yield text[start:cut]
                start = cut
        yield text[start:]


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


def final_norm(model: "PreTrainedModel") -> nn.Module:
    """The norm between the last block and the unembedding."""
    width, layers = d_model(model), blocks(model)
    norm = None
    for module in model.base_model.modules():
        direct = [p for p in module.parameters(recurse=False)]
        if direct and not list(module.children()) and all(p.shape == (width,) for p in direct):
            norm = module  # the last one in the tree that lies outside the blocks
            if any(module is inner for block in layers for inner in block.modules()):
                norm = None
    if norm is None:
        raise UserError(f"{type(model).__name__}: cannot tell its final norm")
    return norm


@torch.no_grad()
def promoted(model: "PreTrainedModel", directions: Float[Tensor, "n d_model"]) -> Float[Tensor, "n vocabulary"]:
    """Change of the next-token logits per unit of each direction, mean removed.

    The direction goes through the final norm (a LayerNorm takes its mean away, then the weight scales it) and the
    unembedding; the norm's division by the residual's size is common to all tokens, so it changes no order.
    """
    norm = final_norm(model)
    directions = directions.to(norm.weight)
    centred = directions - directions.mean(dim=1, keepdim=True) if isinstance(norm, nn.LayerNorm) else directions
    logits = (centred * norm.weight) @ model.get_output_embeddings().weight.T
    return (logits - logits.mean(dim=1, keepdim=True)).float()
