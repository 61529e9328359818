"""GRPO and RLOO: several responses to each prompt, each judged against the others of its prompt (Shao et al. 2024; Ahmadian et al. 2024)."""

from pathlib import Path

import pandas as pd
import torch
from datasets import Dataset
from torch import nn
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from rewardscope.models import models
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf import trainers
from rewardscope.rlhf.ppo import pad_token, padded, prompts


class _OfIds:
    """Prompts are rows of token ids, which TRL's trainers would take for texts."""

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, dict]:
        return prompts, None, {}


class _Grpo(_OfIds, GRPOTrainer):
    pass


class _Rloo(_OfIds, RLOOTrainer):
    pass


TRAINERS = {"grpo": (_Grpo, GRPOConfig), "rloo": (_Rloo, RLOOConfig)}


def train(
    folder: str | Path, texts: list[str], reward: Reward, settings: dict, seed: int, prompts_seed: int, work: Path, device: torch.device
) -> tuple[nn.Module, pd.DataFrame]:
    """Tune the model in `folder` by GRPO or RLOO, as `ppo.train` does by PPO; `settings` are those of `Rlhf.settings`. Resumes from `work`.

    An update samples `generations` responses to each of `batch / generations` prompts and learns `epochs` times from them, `minibatch`
    at a time. Returns the policy and a row per update: reward, KL (nats a response), tokens generated so far, mean loss.
    """
    tokenizer = models.load_tokenizer(folder)
    policy = models.load(folder, whole=True)
    pad = pad_token(tokenizer, policy.get_input_embeddings().num_embeddings, texts)
    groups = settings["updates"] * settings["batch"] // settings["generations"]
    cut = prompts(texts, tokenizer, groups, settings, prompts_seed)
    kind, config = TRAINERS[settings["method"]]
    arguments = config(
        **trainers.common(settings, work, seed, device),
        per_device_train_batch_size=settings["minibatch"],
        generation_batch_size=settings["batch"],
        num_generations=settings["generations"],
        num_iterations=settings["epochs"],
        max_completion_length=settings["response_tokens"],
        temperature=settings["temperature"],
        top_k=0,
        top_p=1.0,
        beta=settings["beta"],
        shuffle_dataset=False,
    )
    base = models.load(folder, device=device, whole=True)
    watch = trainers.Watch(base, settings, work)

    def judge(prompts: list[list[int]], completion_ids: list[list[int]], trainer_state, **_) -> list[float]:
        earned = trainers.judged(reward, tokenizer, prompts, completion_ids, settings["reward_on"])
        tokens = sum(map(len, completion_ids))
        watch.measure(trainer.model, trainer_state, prompts, completion_ids, earned, tokens)
        return earned

    torch.manual_seed(seed)
    trainer = kind(
        model=policy,
        reward_funcs=judge,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": cut}),
        processing_class=padded(tokenizer, pad),
        peft_config=trainers.lora(settings),
    )
    trainers.place_(trainer.model, policy)
    if trainer.ref_model is not None:
        trainers.place_(trainer.ref_model)
    return trainers.run(trainer, settings, folder, work, {"loss": "loss"})
