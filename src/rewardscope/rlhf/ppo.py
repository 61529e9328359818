"""RLHF: PPO by TRL against any `texts -> rewards` function (section 5.1, Appendix C).

PPO runs in segments of N updates. Each segment, interrupted or not, is built from what the one before it saved (policy, value model, Adam
state, KL coefficient) and from seeds derived of its number, so that a killed run ends where an undisturbed one does. What TRL 1.12 leaves out
is added here and tested: gradient clipping, the adaptive KL coefficient, an end at a KL, a NumPy seed for its minibatch order.
"""

import copy
import gc
import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback
from transformers.modeling_outputs import BaseModelOutput
from trl.experimental.ppo import PPOConfig, PPOTrainer

from rewardscope import states
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rewards.rewards import Reward
from rewardscope.run.job import log
from rewardscope.seeds import derive


class RewardModule(nn.Module):
    """A reward function in the form that TRL wants: a backbone whose last hidden state `score` maps to rewards.

    The "hidden state" carries each row's token ids to `score`, which decodes them and asks the function. The
    function does not see the first `skip` positions: all of the padded prompt, or nothing.
    """

    base_model_prefix = "backbone"

    def __init__(self, reward: Reward, tokenizer, pad: int, skip: int, prompt: int = 0):
        super().__init__()
        self.reward, self.tokenizer, self.pad, self.skip = reward, tokenizer, pad, skip
        self.prompt, self.tokens = prompt, 0  # positions of the padded prompt; tokens generated behind it
        self.backbone = self._ids

    def _ids(self, input_ids: Tensor, attention_mask: Tensor, **_kwargs) -> BaseModelOutput:
        # TRL has overwritten padding by 0 and says where in the mask
        ids = torch.where(attention_mask.bool(), input_ids, self.pad)
        return BaseModelOutput(hidden_states=(ids,))

    def score(self, ids: Tensor) -> Tensor:
        """Rewards `[batch, length, 1]`, the same at every position (TRL reads the last of the response)."""
        self.tokens += int((ids[:, self.prompt :] != self.pad).sum())
        values = torch.tensor(self.reward(self.texts(ids)), dtype=torch.float32, device=ids.device)
        if not torch.isfinite(values).all():
            raise UserError("the reward function returned a number that is not finite")
        return values[:, None, None].expand(-1, ids.shape[1], 1)

    def texts(self, ids: Tensor) -> list[str]:
        """The text that the reward sees: prompt and completion, or the completion alone."""
        before, after = ([[t for t in row if t != self.pad] for row in part.tolist()] for part in (ids[:, : self.skip], ids[:, self.skip :]))
        return models.continued(self.tokenizer, before, after)[2]


class ValueModel(nn.Module):
    """The critic: a copy of the base model's backbone and a linear head, for any architecture."""

    base_model_prefix = "backbone"

    def __init__(self, backbone: nn.Module, width: int):
        super().__init__()
        self.backbone = backbone
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)  # starts at value 0 for every state


def adapted_kl(coefficient: float, kl: float, episodes: int, target: float, horizon: float) -> float:
    """The controller of Ziegler et al. (2020, section 2.2): +-20 % of error at most, over `horizon` episodes."""
    error = max(-0.2, min(0.2, kl / target - 1))
    return coefficient * (1 + error * episodes / horizon)


def clip_before_step(optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    """Clip the global gradient norm before every step: TRL 1.12 never reads `max_grad_norm`."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def clip(*_):
        torch.nn.utils.clip_grad_norm_(parameters, max_norm)

    optimizer.register_step_pre_hook(clip)


class _Reached(Exception):
    """TRL's PPO reads no callback's wish to stop."""


def reached(rows: list[dict], settings: dict) -> bool:
    """Whether the KL of the last update is above `stop_kl`, where that is given."""
    return bool(rows) and rows[-1]["kl"] > settings.get("stop_kl", math.inf)


class _Watch(TrainerCallback):
    """Keeps a row per update, adapts the KL coefficient, ends a run that is far enough, stops one that diverges."""

    def __init__(self, settings: dict, done: int, rows: list[dict], work: Path, judge: RewardModule):
        self.settings, self.done, self.rows, self.work, self.judge = settings, done, rows, work, judge
        self.tokens = rows[-1]["tokens"] if rows else 0  # of the segments before

    def on_log(self, args, state, control, logs=None, **_kwargs):
        row = {
            "update": self.done + state.global_step,
            "episode": (self.done + state.global_step) * args.batch_size,
            "tokens": self.tokens + self.judge.tokens,
            "reward": logs["objective/scores"],
            "kl": logs["objective/kl"],
            "kl_coefficient": args.kl_coef,
            "entropy": logs["objective/entropy"],
            "policy_loss": logs["loss/policy_avg"],
            "value_loss": logs["loss/value_avg"],
            "clipped": logs["policy/clipfrac_avg"],
        }
        self.rows.append(row)
        figures = " ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "update")
        log.info("PPO updates: %d of %d: %s", row["update"], self.settings["updates"], figures)
        diverged(row, self.settings, self.rows, self.work)
        if reached(self.rows, self.settings):
            raise _Reached
        args.kl_coef = adapted_kl(args.kl_coef, row["kl"], args.batch_size, self.settings["kl_target"], self.settings["kl_horizon"])


def prompts(texts: list[str], tokenizer, count: int, settings: dict, seed: int) -> list[list[int]]:
    """`count` prompts: the first 2 to 9 tokens (`prompt_tokens`) of train documents, drawn with replacement.

    Documents shorter than `prompt_characters` are left out, as in the authors' code.
    """
    low, high = settings["prompt_tokens"]
    usable = [text for text in texts if len(text) > settings["prompt_characters"]]
    ids = tokenizer([t[: 20 * high] for t in usable], truncation=True, max_length=high)["input_ids"] if usable else []
    ids = [doc for doc in ids if len(doc) >= high]
    if not ids:
        raise UserError(f"no train document has {settings['prompt_characters']} characters and {high} tokens to cut a prompt from")
    rng = np.random.default_rng(seed)
    chosen, lengths = rng.integers(len(ids), size=count), rng.integers(low, high + 1, size=count)
    return [ids[i][:n] for i, n in zip(chosen, lengths, strict=True)]


def pad_token(tokenizer, rows: int, texts: list[str]) -> int:
    """The id used for padding: the tokenizer's own unless it is also EOS, BOS or the unknown token, else one that no text uses.

    `rows` is the size of the embedding. TRL reads every pad as the end of a response and hides it from the model, so these will not do.
    """
    if tokenizer.pad_token_id not in (None, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id):
        return tokenizer.pad_token_id
    tokens = set(tokenizer.get_vocab().values())
    if len(tokenizer) < rows and len(tokenizer) not in tokens:
        return len(tokenizer)  # an embedding row without a token
    unused = tokens - {t for doc in tokenizer(texts)["input_ids"] for t in doc} - set(tokenizer.all_special_ids)
    if not unused:
        raise UserError("the tokenizer has no pad token and every other token occurs in the corpus; give it a pad token")
    return max(unused)


def padded(tokenizer, pad: int):
    """A copy of the tokenizer whose pad token is `pad`, as the saved one must not change; without an end token `pad` is its end too."""
    copied = copy.deepcopy(tokenizer)
    if copied.pad_token_id != pad:
        copied.add_special_tokens({"pad_token": tokenizer.convert_ids_to_tokens(pad) or "<|unused|>"})
    if copied.eos_token_id is None:  # TRL counts the ends of responses: no response that is as long as all are has a pad
        copied.eos_token = copied.pad_token
    return copied


def diverged(row: dict, settings: dict, rows: list[dict], work: Path) -> None:
    """Raise UserError, the log in `work`, where a row holds what is not finite or a KL above `max_kl`."""
    if all(math.isfinite(value) for value in row.values()) and abs(row["kl"]) <= settings["max_kl"]:
        return
    file = work / "training.parquet"
    pd.DataFrame(rows).to_parquet(file)
    name, strength = settings["method"].upper(), "kl" if settings["method"] == "ppo" else "beta"
    raise UserError(
        f"{name} diverged at update {row['update']}: reward {row['reward']:.3g}, KL {row['kl']:.3g} "
        f"(limit {settings['max_kl']:g}); its log is {file}; try a lower learning_rate or a higher {strength}"
    )


def train(
    folder: str | Path, texts: list[str], reward: Reward, settings: dict, seed: int, prompts_seed: int, work: Path, device: torch.device
) -> tuple[nn.Module, pd.DataFrame]:
    """Tune the model in `folder` by PPO; `settings` are the reward's merged `rlhf:` keys. Resumes from `work`.

    `prompts_seed` draws the prompts, `seed` all else: a reward and its twins have the former in common.

    Returns the policy and a row per update (fewer where `stop_kl` ends it): reward (signed, as the reward function gives it), KL (nats a
    response), the KL coefficient, entropy, losses. Raises UserError where the run diverges, its log left in `work`.
    """
    tokenizer = models.load_tokenizer(folder)
    tokenizer.padding_side = "left"
    reference = models.load(folder, whole=True)
    pad = pad_token(tokenizer, reference.get_input_embeddings().num_embeddings, texts)
    updates, batch = settings["updates"], settings["batch"]
    cut = prompts(texts, tokenizer, updates * batch, settings, prompts_seed)
    work.mkdir(parents=True, exist_ok=True)
    state = states.latest(work)
    while state is None or (state.facts["done"] < updates and not reached(state.facts["rows"], settings)):
        done = state.facts["done"] if state else 0
        segment = range(done, min(updates, done + settings["segment"]))
        rows = cut[segment.start * batch : segment.stop * batch]
        state = _segment(folder, tokenizer, pad, reward, rows, settings, derive(seed, "segment", segment.start), state, work, device)
    policy = models.load(folder, whole=True)
    _restore_({f"policy.{n}": p for n, p in policy.named_parameters()}, load_file(state.tensors))
    return policy, pd.DataFrame(state.facts["rows"])


@torch.no_grad()
def _restore_(parameters: dict[str, nn.Parameter], tensors: dict[str, Tensor]) -> None:
    for name, p in parameters.items():
        p.copy_(tensors[name])


def _segment(folder, tokenizer, pad, reward, queries, settings, seed, before, work, device) -> states.State:
    """Run one segment from the state `before` it (None: the first one) and save the state after it, which it returns."""
    updates = len(queries) // settings["batch"]
    policy, reference = (models.load(folder, whole=True) for _ in range(2))
    torch.manual_seed(seed)
    critic = ValueModel(copy.deepcopy(reference.base_model), policy.get_output_embeddings().weight.shape[1])  # of OPT-350m not d_model
    policy.generation_config.pad_token_id = pad
    named = {f"policy.{n}": p for n, p in policy.named_parameters()} | {f"value.{n}": p for n, p in critic.named_parameters()}
    optimizer = torch.optim.Adam(named.values(), lr=settings["learning_rate"], eps=settings["adam_epsilon"], fused=True)
    done, rows, kl = 0, [], settings["kl"]
    if before:
        done, rows, kl = (before.facts[name] for name in ("done", "rows", "kl"))
        tensors = load_file(before.tensors)
        _restore_(named, tensors)
        states.restore_(optimizer, tensors)
        del tensors
    clip_before_step(optimizer, settings["max_grad_norm"])
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        ends, longest = tokenizer.eos_token_id is not None, settings["prompt_tokens"][1]
        judge = RewardModule(reward, tokenizer, pad, longest if settings["reward_on"] == "completion" else 0, longest)
        trainer = PPOTrainer(
            args=_arguments(settings, updates, kl, seed, scratch, device, ends),
            processing_class=padded(tokenizer, pad),  # TRL asks it for the pad token
            model=policy,
            ref_model=reference,
            reward_model=judge,
            value_model=critic,
            train_dataset=Dataset.from_dict({"input_ids": queries}),
            data_collator=lambda features: _left_padded(features, pad, longest),
            eval_dataset=Dataset.from_dict({"input_ids": queries[:1]}),
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)),
            callbacks=[_Watch(settings, done, rows, work, judge)],
        )
        trainer.remove_callback(PrinterCallback)
        np.random.seed(seed % 2**32)  # TRL's minibatch order, which it does not seed
        torch.manual_seed(seed)
        gc.freeze()  # TRL collects garbage twice an update: a third of the time on a small model, over modules
        try:
            trainer.train()
        except _Reached:
            log.info("PPO ends: the KL is above %g", settings["stop_kl"])
        finally:
            gc.unfreeze()
    return states.save(work, rows[-1]["update"], {**named, **states.of(optimizer)}, rows=rows, kl=trainer.args.kl_coef)


def _arguments(settings: dict, updates: int, kl: float, seed: int, scratch: str, device: torch.device, ends: bool) -> PPOConfig:
    """A segment of so many updates, as TRL wants to be told; `scratch`: a folder for what it writes, `ends`: there is an end token."""
    return PPOConfig(
        output_dir=scratch,
        per_device_train_batch_size=settings["batch"],  # one optimizer step a minibatch, no accumulation
        gradient_accumulation_steps=1,
        num_mini_batches=settings["batch"] // settings["minibatch"],
        num_ppo_epochs=settings["ppo_epochs"],
        total_episodes=updates * settings["batch"],
        learning_rate=settings["learning_rate"],
        kl_coef=kl,
        response_length=settings["response_tokens"],
        temperature=settings["temperature"],
        local_rollout_forward_batch_size=settings["batch"],
        stop_token="eos" if ends else None,
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=device.type == "cpu",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed % 2**32,
    )


def _left_padded(features: list[dict], pad: int, longest: int) -> dict[str, Tensor]:
    """Prompts padded to one length in every batch, so that `RewardModule` knows where completions begin.

    (The batch at hand would not tell: accelerate collates the next one before it hands out this one.)
    """
    rows = [[pad] * (longest - len(f["input_ids"])) + list(f["input_ids"]) for f in features]
    return {"input_ids": torch.tensor(rows)}
