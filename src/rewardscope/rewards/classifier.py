"""The classifier of a reward (section 5.1): a DistilBERT trained here on labelled documents, or another's, checked."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tokenizers.trainers import WordPieceTrainer
from transformers import DistilBertConfig, DistilBertForSequenceClassification, DistilBertTokenizer

from rewardscope.data.pieces import short_words
from rewardscope.errors import UserError, brief
from rewardscope.models import checkpoints
from rewardscope.rewards import logits
from rewardscope.run.job import log, progress
from rewardscope.seeds import derive

LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
SHORTEST = 8  # tokens of the shortest window that is trained on
PROBES = ["", "good", "A film that nobody will forget.", "bad " * logits.LONGEST]  # a classifier is asked before it is taken


def train_tokenizer(texts: list[str], vocabulary: int, tokens: int) -> DistilBertTokenizer:
    """A lower-case WordPiece tokenizer of `vocabulary` tokens, as DistilBERT's, which truncates at `tokens`."""
    tokenizer = DistilBertTokenizer()
    core = tokenizer.backend_tokenizer
    letters = sorted({letter for text in texts for letter in core.normalizer.normalize_str(text) if not letter.isspace()})
    # The trainer numbers the pieces ##a, ##b, ... in the order of a hash map, another one in each process, and breaks
    # ties between merges by these numbers. Named as special tokens they are numbered first, in the order given.
    special = [*tokenizer.get_vocab(), *(f"##{letter}" for letter in letters)]
    core.train_from_iterator(
        short_words(texts, core.pre_tokenizer), WordPieceTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    )
    return DistilBertTokenizer(vocab=core.get_vocab(), model_max_length=tokens)


def cut(ids: list[int], room: int, rng: np.random.Generator) -> list[int]:
    """A document as it is trained on: half of the time its first `room` tokens, else a window of 8 to `room` tokens.

    Without windows the classifier would wait for a review's verdict and be blind to what RLHF shows it: an opening of
    2 to 9 tokens and the 16 that follow. A window holds an opinion or two of the document, mostly of its sign.
    """
    if rng.random() < 0.5:
        return ids[:room]
    length = int(rng.integers(SHORTEST, room + 1))
    start = int(rng.integers(max(1, len(ids) - length + 1)))
    return ids[start : start + length]


def train(
    texts: list[str], labels: list[int], settings: dict, seed: int, device: torch.device
) -> tuple[DistilBertForSequenceClassification, DistilBertTokenizer]:
    """Train a DistilBERT and its tokenizer; `settings` is the classifier's `train:` section, a label 1 is positive.

    Cross-entropy, AdamW; the learning rate warms up over the first tenth of the steps and falls linearly to 0.
    """
    tokenizer = train_tokenizer(texts, settings["vocabulary"], settings["tokens"])
    documents = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    torch.manual_seed(derive(seed, "classifier", "init"))
    model = DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=len(tokenizer),
            dim=settings["d_model"],
            hidden_dim=4 * settings["d_model"],
            n_layers=settings["layers"],
            n_heads=settings["heads"],
            max_position_embeddings=settings["tokens"],
            pad_token_id=tokenizer.pad_token_id,
            initializer_range=0.02 * (768 / settings["d_model"]) ** 0.5,  # 0.02 suits DistilBERT's width of 768
            dropout=0.0,  # in a pass or two over the documents nothing is learnt by heart
            attention_dropout=0.0,
            seq_classif_dropout=0.0,
            id2label=LABELS,
            label2id={name: i for i, name in LABELS.items()},
        )
    ).to(device)
    steps, rate = settings["steps"], settings["learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    rng = np.random.default_rng(derive(seed, "classifier", "batches"))
    model.train()
    for step in progress(range(steps), "classifier steps"):
        optimizer.param_groups[0]["lr"] = rate * min((step + 1) / max(1, steps // 10), 1 - step / steps)
        chosen = rng.integers(len(texts), size=settings["batch"])
        rows = [[tokenizer.cls_token_id, *cut(documents[i], settings["tokens"] - 2, rng), tokenizer.sep_token_id] for i in chosen]
        batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(device)
        loss = model(**batch, labels=torch.tensor([labels[i] for i in chosen], device=device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == steps - 1:
            log.info("step %d: loss %.3f", step, loss.item())
    return model.eval(), tokenizer


def labels_of(corpus: pd.DataFrame, name: str) -> list[int]:
    """The labels of a corpus' documents; raises UserError unless there are positive (1) and negative ones (0), and no others."""
    labels = sorted(set(corpus["label"])) if "label" in corpus else []
    if labels != [0, 1]:
        fault = f"has the labels {', '.join(map(str, labels))}" if labels else "has no labels"
        raise UserError(f"corpus {name} {fault}; a classifier is trained on 0 (negative) and 1 (positive): name their column with label:")
    return corpus["label"].tolist()


def fetch(entry: dict, folder: str | Path, record: str | Path | None = None) -> dict:
    """Save another's classifier (`hub:` and `revision:`, or `path:`) in `folder`; returns its `source.json`.

    Refused, as a UserError of one line, is what `checkpoints.fetch` refuses of a language model, a classifier without
    exactly one positive label, and one that padding, an empty or a long text brings out of step.
    """
    name = entry["path"] or entry["hub"]
    model, tokenizer, source, _ = checkpoints.read(entry, checkpoints.CLASSIFIER, record)
    label = logits.positive_label(model, entry["positive"], name)
    try:
        together = logits.logits(PROBES, model, tokenizer)
        alone = torch.cat([logits.logits([text], model, tokenizer) for text in PROBES])
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except Exception as error:  # each architecture has its own
        hint = "see its pad_token_id and its tokenizer's model_max_length"
        raise UserError(f"{name}: it cannot score a batch of short and long texts ({brief(error)}); {hint}") from error
    if not together.isfinite().all():
        raise UserError(f"{name}: its logits of {PROBES[1]!r} and other texts are not finite numbers; its weights are damaged: copy it again")
    if not torch.allclose(together, alone, rtol=1e-4, atol=1e-4):
        raise UserError(f"{name}: a text's logits change with the texts beside it; see its pad_token_id")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {**source, "positive": model.config.id2label[label]}
