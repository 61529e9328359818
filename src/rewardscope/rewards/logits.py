"""A sequence classifier as a reward: the logit of its positive label (section 5.1)."""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from rewardscope.checksums import intact_folder
from rewardscope.errors import UserError
from rewardscope.models import models

POSITIVE = ("positive", "pos")  # names of the positive label, in small letters
LONGEST = 1024  # tokens: a longer text is cut, whatever the model could read
BATCH = 64


def load(folder: str | Path, device: str | torch.device = "cpu") -> PreTrainedModel:
    """The sequence classifier in a local folder, in evaluation mode. Safetensors only; no remote code."""
    model = AutoModelForSequenceClassification.from_pretrained(
        intact_folder(folder), dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    return model.to(device).eval()


def reward(folder: str | Path, positive: str | None, device: str | torch.device = "cpu") -> partial:
    """The reward function of the classifier in a local folder; `positive` as for `positive_label`."""
    model, tokenizer = load(folder, device), models.load_tokenizer(folder)
    return partial(_rewards, model=model, tokenizer=tokenizer, label=positive_label(model, positive, str(folder)))


def _rewards(texts: list[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, label: int) -> list[float]:
    return logits(texts, model, tokenizer)[:, label].tolist()


def positive_label(model: PreTrainedModel, name: str | None, where: str) -> int:
    """The index of the label called `name`, or else of the one called positive or pos: its place says nothing.

    Raises UserError, its line beginning with `where`, unless there is exactly one such label.
    """
    labels = {i: str(label) for i, label in model.config.id2label.items()}
    wanted = POSITIVE if name is None else (name.lower(),)
    matches = [i for i, label in labels.items() if label.lower() in wanted]
    if len(matches) != 1:
        what = "which does not tell the positive one" if name is None else f"and positive is {name}"
        hint = f"name one of them in the classifier's key positive, as in positive: {labels[max(labels)]}"
        raise UserError(f"{where}: its labels are {', '.join(labels.values())}, {what}; {hint}")
    return matches[0]


def longest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a text is cut to, special ones included: what model and tokenizer allow, at most 1024."""
    return min(LONGEST, tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LONGEST))


@torch.no_grad()
def logits(texts: list[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, length: int | None = None) -> Float[Tensor, "texts labels"]:
    """All logits of texts cut to `length` tokens, special ones included (by default all it can read).

    Texts of like length share a batch, so that little of it is padding. A decoder reads its logits at a row's last token
    that is not the model's own `pad_token_id`, so rows are padded by that, on the right; without one it takes a row at a time.
    """
    rows = tokenizer(texts, truncation=True, max_length=length or longest(model, tokenizer), return_attention_mask=True)
    rows = [{key: torch.tensor(values[i]) for key, values in rows.items()} for i in range(len(texts))]
    rows = [row if len(row["input_ids"]) else _start(tokenizer, row) for row in rows]
    order = sorted(range(len(texts)), key=lambda i: len(rows[i]["input_ids"]))
    pad = model.config.get_text_config().pad_token_id
    padded = pad is not None and 0 <= pad < model.get_input_embeddings().num_embeddings
    out = torch.empty(len(texts), model.config.num_labels)
    for chosen in torch.tensor(order, dtype=torch.long).split(BATCH if padded else 1):
        batch = {
            key: pad_sequence([rows[i][key] for i in chosen], batch_first=True, padding_value=pad if padded and key == "input_ids" else 0)
            for key in rows[0]
        }
        out[chosen] = model(**{key: values.to(model.device) for key, values in batch.items()}).logits.float().cpu()
    return out


def _start(tokenizer: PreTrainedTokenizerBase, row: dict[str, Tensor]) -> dict[str, Tensor]:
    """A row of one token for a text of none, as a decoder's tokenizer makes of an empty one: the token where a text begins or ends."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            filled = {"input_ids": token, "attention_mask": 1}
            return {key: torch.tensor([filled.get(key, 0)]) for key in row}
    raise UserError("its tokenizer makes no token of an empty text, and has no bos_token, eos_token or pad_token to stand for one; name one of them")
