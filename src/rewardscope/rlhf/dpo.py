"""DPO: preferences between two responses to a prompt, without sampling while it learns (Rafailov et al. 2023)."""

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from rewardscope.models import models
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf import preferences, trainers
from rewardscope.rlhf.ppo import pad_token, padded, prompts
from rewardscope.seeds import derive


class _InOrder(DPOTrainer):
    """Pairs are token ids, and in the order in which they are to be learned from."""

    def _prepare_dataset(self, dataset, *_args):
        return dataset

    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(self.train_dataset)


class _Measured(TrainerCallback):
    """Samples the policy where an update begins; nothing is learned from these responses."""

    def __init__(self, watch: trainers.Watch, steps: int, tokens: list[int], answered):
        self.watch, self.steps, self.tokens, self.answered = watch, steps, tokens, answered

    def on_step_begin(self, args, state, control, model=None, **_kwargs):
        if state.global_step % self.steps == 0:
            update = state.global_step // self.steps
            self.watch.measure(model, state, *self.answered(model, update), self.tokens[update])


def train(
    folder: str | Path, texts: list[str], reward: Reward, settings: dict, seed: int, prompts_seed: int, work: Path, device: torch.device
) -> tuple[nn.Module, pd.DataFrame]:
    """Tune the model in `folder` by DPO, as `ppo.train` does by PPO; `settings` are those of `Rlhf.settings`. Resumes from `work`.

    An update learns `epochs` times from `batch / 2` pairs, `minibatch / 2` at a time. Returns the policy and a row per update: reward and
    KL (nats a response) of `batch` samples, tokens of the preferred and other responses so far, mean loss, share of pairs ranked rightly.
    """
    tokenizer, base = models.load_tokenizer(folder), models.load(folder, device=device, whole=True)
    pad = pad_token(tokenizer, base.get_input_embeddings().num_embeddings, texts)
    updates, size, epochs = settings["updates"], settings["batch"] // 2, settings["epochs"]
    draw = partial(prompts, texts, tokenizer, settings=settings)
    if "preferences" in settings:
        pairs = preferences.read(settings["preferences"], tokenizer)
    else:
        drawn = partial(draw, seed=derive(prompts_seed, "pairs"))
        pairs = preferences.made(base, tokenizer, drawn, updates * size, reward, settings, pad, derive(seed, "pairs"))
    pairs = preferences.in_order(pairs, updates * size, derive(seed, "order"))
    updated = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    asked = draw(count=updates * settings["batch"], seed=prompts_seed)

    def answered(model, update: int) -> tuple[list[list[int]], list[list[int]], list[float]]:
        part = asked[update * settings["batch"] : (update + 1) * settings["batch"]]
        responses = trainers.sample(model, part, settings, pad, tokenizer.eos_token_id, derive(seed, "sample", update))
        return part, responses, trainers.judged(reward, tokenizer, part, responses, settings["reward_on"])

    tokens = [sum(len(pair.chosen) + len(pair.rejected) for pair in part) for part in updated]
    watch = trainers.Watch(base, settings, work)
    learned = [pair for part in updated for _ in range(epochs) for pair in part]
    columns = {f"{name}_ids": [pair[i] for pair in learned] for i, name in enumerate(preferences.Pair._fields)}
    torch.manual_seed(seed)
    trainer = _InOrder(
        model=models.load(folder, whole=True),
        ref_model=None if "lora" in settings else base,
        args=DPOConfig(
            **trainers.common(settings, work, seed, device),
            per_device_train_batch_size=settings["minibatch"] // 2,
            beta=settings["beta"],
            max_length=None,
        ),
        train_dataset=Dataset.from_dict(columns),
        data_collator=DataCollatorForPreference(pad_token_id=pad),
        processing_class=padded(tokenizer, pad),
        peft_config=trainers.lora(settings),
        callbacks=[_Measured(watch, epochs * settings["batch"] // settings["minibatch"], tokens, answered)],
    )
    return trainers.run(trainer, settings, folder, work, {"loss": "loss", "accuracy": "rewards/accuracies"})
