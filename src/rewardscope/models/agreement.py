"""Whether two checkpoints can be a model before and after tuning: the same architecture and blocks, and the same tokens as far as both have them.

What may differ is decided here and named: the base's tokenizer reads on both sides, rows of the vocabulary that one side lacks are none of the
comparison, and each side runs with its own settings (positions, windows).
"""

from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.models.weights import files, read, shapes, stay
from rewardscope.run.job import log

PROBE = "The film wasn't good: 1,000 reviews\n\n  said so \N{EM DASH} na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve?"
SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
NO_SETTINGS = {"vocab_size", "dtype", "torch_dtype", "transformers_version", "_name_or_path", "architectures", "use_cache", *SPECIAL}
MOST = 5  # differences that one line names


def agree(base: str | Path, tuned: str | Path) -> None:
    """Raises UserError, naming the first difference, where the two folders are not one model before and after it was tuned."""
    _same_kind(*(AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True) for folder in (base, tuned)))
    ours, theirs = shapes(base), shapes(tuned)
    for name in sorted(ours.keys() | theirs.keys()):
        _same(f"shape of {name}", ours.get(name, "none"), theirs.get(name, "none"))
    if equal(base, tuned):
        raise UserError(
            "the tuned checkpoint has the weights of its base model, all of them: there is nothing to compare; name the one after it was tuned"
        )


def adapt(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, base: str | Path) -> tuple[PreTrainedTokenizerBase, bool]:
    """The base's tokenizer, and the tuned model changed, or not, so that the two share the rows of their vocabulary.

    Rows that the base lacks are cut off, rows that the tuned model lacks are the base's own. What else differs is named in the log.
    Raises UserError where the two are of different architectures, or do not give the same tokens to a text.
    """
    config = AutoConfig.from_pretrained(base, trust_remote_code=False, local_files_only=True)
    _same_kind(config, model.config)
    common = models.load_tokenizer(base)
    _same_tokens(name, common, tokenizer)
    changed = _same_rows(name, model, config.get_text_config().vocab_size, base)
    for what in _differences(config, model.config, common, tokenizer):
        log.warning("%s: %s", name, what)
    return common, changed


def equal(base: str | Path, tuned: str | Path) -> bool:
    """Whether two folders of one model hold the same weights; it reads on to the first tensor that differs."""
    ours, theirs = files(base), files(tuned)
    if ours.keys() != theirs.keys():
        return False
    return all(torch.equal(read(ours[name], name), read(theirs[name], name)) for name in ours)


def _same(what: str, base: object, tuned: object) -> None:
    if base != tuned:
        raise UserError(f"the tuned checkpoint is not of its base model: {what} is {base} in base, {tuned} tuned; name a pair that belongs together")


def _same_kind(*configs: PreTrainedConfig) -> None:
    _same("architecture", *((config.architectures or [config.model_type])[0] for config in configs))
    _same("number of layers", *(config.get_text_config().num_hidden_layers for config in configs))


def _same_tokens(name: str, base: PreTrainedTokenizerBase, tuned: PreTrainedTokenizerBase) -> None:
    """The same text must become the same ids on both sides; tokens that were added to one side are named."""
    ours, theirs = base.get_vocab(), tuned.get_vocab()
    numbers = theirs | ours
    added = (ours.keys() - theirs.keys()) & base.get_added_vocab().keys(), (theirs.keys() - ours.keys()) & tuned.get_added_vocab().keys()
    for token in sorted(numbers, key=numbers.get):
        if token not in added[0] | added[1]:
            _same(f"id of token {token!r}", ours.get(token, "none"), theirs.get(token, "none"))
    _same(f"tokenization of {PROBE!r}", *(tokenizer(PROBE)["input_ids"] for tokenizer in (base, tuned)))
    for tokens, side in zip(added, ("base", "tuned"), strict=True):
        if tokens:
            named = ", ".join(sorted(tokens, key=numbers.get)[:MOST])
            log.warning("%s: %d tokens were added to the %s tokenizer alone (%s); both sides read by the base's", name, len(tokens), side, named)


@torch.no_grad()
def _same_rows(name: str, model: PreTrainedModel, rows: int, base: str | Path) -> bool:
    """Give the tuned model as many rows of the vocabulary as the base has, those that it lacked as in the base; whether that changes it."""
    count = model.get_input_embeddings().num_embeddings
    if count == rows:
        return False
    if stay(model):
        return True  # and cannot be: whoever saves it says so
    model.resize_token_embeddings(rows, mean_resizing=False)
    if count < rows:
        for mine, theirs in zip(_vocabulary(model), _vocabulary(models.load(base, whole=True)), strict=True):
            mine[count:] = theirs[count:]
    done = f"its last {count - rows} are left out" if count > rows else f"the {rows - count} that it lacks are the base's"
    log.warning("%s: its embedding has %d rows, the base's %d: %s", name, count, rows, done)
    return True


def _vocabulary(model: PreTrainedModel) -> list[torch.Tensor]:
    """The tensors with a row for each token."""
    return [p for module in (model.get_input_embeddings(), model.get_output_embeddings()) for p in module.parameters()]


def _differences(base: PreTrainedConfig, tuned: PreTrainedConfig, common: PreTrainedTokenizerBase, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What differs and is decided for the user, a line each: special tokens, settings of the model, the chat template."""
    ids = [
        f"{key} {getattr(common, key)} in base, {getattr(tokenizer, key)} tuned" for key in SPECIAL if getattr(common, key) != getattr(tokenizer, key)
    ]
    ours, theirs = (config.get_text_config().to_dict() for config in (base, tuned))
    keys = sorted(key for key in (ours.keys() | theirs.keys()) - NO_SETTINGS if ours.get(key) != theirs.get(key))
    settings = [f"{key} {ours.get(key)} in base, {theirs.get(key)} tuned" for key in keys]
    lines = [f"special tokens differ: {', '.join(ids)}; the base's are used on both sides"] if ids else []
    if settings:
        more = f" and {len(settings) - MOST} more" if len(settings) > MOST else ""
        lines.append(f"settings differ: {', '.join(settings[:MOST])}{more}; each side runs with its own")
    if common.chat_template != tokenizer.chat_template:
        lines.append("chat templates differ; texts are read without any on both sides")
    return lines
