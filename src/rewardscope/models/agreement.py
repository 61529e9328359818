"""Whether two checkpoints can be a model before and after RLHF: the same architecture, shapes and tokens."""

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoConfig

from rewardscope.errors import UserError
from rewardscope.models import models

PROBE = "The film wasn't good: 1,000 reviews\n\n  said so \N{EM DASH} na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve?"


def agree(base: str | Path, tuned: str | Path) -> None:
    """Raises UserError, naming the first difference, where the two folders are not one model before and after it was tuned."""
    configs = [AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True) for folder in (base, tuned)]
    _same("architecture", *((config.architectures or [config.model_type])[0] for config in configs))
    _same("number of layers", *(config.get_text_config().num_hidden_layers for config in configs))
    _same_tokens(*(models.load_tokenizer(folder) for folder in (base, tuned)))
    ours, theirs = _shapes(base), _shapes(tuned)
    for name in sorted(ours.keys() | theirs.keys()):
        _same(f"shape of {name}", ours.get(name, "none"), theirs.get(name, "none"))
    if equal(base, tuned):
        raise UserError("the tuned checkpoint has the weights of its base model, all of them: there is nothing to compare; name the one after RLHF")


def equal(base: str | Path, tuned: str | Path) -> bool:
    """Whether two folders of one model hold the same weights; it reads on to the first tensor that differs."""
    ours, theirs = _files(base), _files(tuned)
    if ours.keys() != theirs.keys():
        return False
    for name in ours:
        with safe_open(ours[name], "pt") as before, safe_open(theirs[name], "pt") as after:
            if not torch.equal(before.get_tensor(name), after.get_tensor(name)):
                return False
    return True


def _same(what: str, base: object, tuned: object) -> None:
    if base != tuned:
        raise UserError(f"the tuned checkpoint is not of its base model: {what} is {base} in base, {tuned} tuned; name a pair that belongs together")


def _same_tokens(base, tuned) -> None:
    """The same text must become the same ids on both sides."""
    ours, theirs = base.get_vocab(), tuned.get_vocab()
    _same("number of tokens", len(ours), len(theirs))
    for token, number in sorted(ours.items(), key=lambda item: item[1]):
        _same(f"id of token {token!r}", number, theirs.get(token, "none"))
    _same(f"tokenization of {PROBE!r}", *(tokenizer(PROBE)["input_ids"] for tokenizer in (base, tuned)))


def _files(folder: str | Path) -> dict[str, Path]:
    """The weight file of every tensor."""
    files = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            files |= dict.fromkeys(tensors.keys(), file)
    return files


def _shapes(folder: str | Path) -> dict[str, list[int]]:
    """Shapes of all tensors, from the headers of the weight files."""
    shapes = {}
    for name, file in _files(folder).items():
        with safe_open(file, "pt") as tensors:
            shapes[name] = tensors.get_slice(name).get_shape()
    return shapes
