"""What DPO, GRPO and RLOO share, all by TRL's stable trainers: settings, samples and their KL to the base model, the table of a run, checkpoints.

A row of the table is the policy as it begins an update: `batch` responses of its own to prompts that every method draws alike, their mean
reward, and their KL to the base model as TRL's PPO measures it. A killed run goes on from the trainer's newest whole checkpoint.
"""

import inspect
import shutil
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf.ppo import diverged
from rewardscope.run.job import log

KEPT = 2  # checkpoints: should the newest be damaged, the one before it serves
COLUMNS = ["update", "episode", "tokens", "reward", "kl"]
ROW = "rewardscope"  # key of our rows in the trainer's history, which its checkpoints keep


def common(settings: dict, work: Path, seed: int, device: torch.device) -> dict:
    """The arguments of every trainer's config: full precision, a constant rate, Adam, a checkpoint every `segment` updates."""
    steps = settings["epochs"] * settings["batch"] // settings["minibatch"]  # of an update
    return dict(
        output_dir=str(work),
        max_steps=settings["updates"] * steps,
        gradient_accumulation_steps=1,
        learning_rate=settings["learning_rate"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        weight_decay=0.0,  # which makes it Adam
        adam_epsilon=settings["adam_epsilon"],
        max_grad_norm=settings["max_grad_norm"],
        disable_dropout=True,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type != "cpu",
        logging_steps=1,
        save_steps=settings["segment"] * steps,
        save_total_limit=KEPT,
        report_to="none",
        disable_tqdm=True,
        seed=seed % 2**32,
    )


def lora(settings: dict):
    """The peft config of the adapter that is trained, or None."""
    if "lora" not in settings:
        return None
    from peft import LoraConfig

    return LoraConfig(r=settings["lora"]["rank"], lora_alpha=settings["lora"]["alpha"], target_modules="all-linear", task_type="CAUSAL_LM")


def place_(model: nn.Module, within: nn.Module | None = None) -> None:
    """Count positions from the first token that is no padding, as generation does: TRL's trainers pad on the left and do not say so.

    `within`: the language model that `model`, an adapter around it, passes its arguments on to.
    """
    if "position_ids" not in inspect.signature((within or model).forward).parameters:
        return

    def hook(_module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 2 and kwargs.get("position_ids") is None and kwargs.get("past_key_values") is None:
            kwargs["position_ids"] = (mask.long().cumsum(dim=1) - 1).clamp_min(0)
        return args, kwargs

    model.register_forward_pre_hook(hook, with_kwargs=True)


@torch.no_grad()
def sample(model, prompts: list[list[int]], settings: dict, pad: int, end: int | None, seed: int) -> list[list[int]]:
    """A response to each prompt, its end token the last one; without one (`end` None) none ends early.

    Random numbers of its own leave the trainer's as they were.
    """
    asked = dict(  # no GenerationConfig: what is None in one is filled from the model's own, whose config.json may name an end all the same
        do_sample=True, temperature=settings["temperature"], top_k=0, top_p=1.0, max_new_tokens=settings["response_tokens"],
        pad_token_id=pad, eos_token_id=end,
    )  # fmt: skip
    longest, out = max(map(len, prompts)), []
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for start in range(0, len(prompts), settings["batch"]):
            part = prompts[start : start + settings["batch"]]
            ids = torch.tensor([[pad] * (longest - len(row)) + row for row in part], device=model.device)
            mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in part], device=model.device)
            rows = model.generate(input_ids=ids, attention_mask=mask, **asked)[:, longest:].tolist()
            out += [row[: row.index(end) + 1] if end in row else row for row in rows]
    return out


@torch.no_grad()
def log_ratios(policy, base, prompts: list[list[int]], responses: list[list[int]], settings: dict) -> Float[Tensor, "n"]:
    """log p(response) by the policy less that by the base model, at the temperature of sampling; over the policy's samples its mean is their KL."""
    out, size = [], settings["minibatch"]
    for start in range(0, len(prompts), size):
        pairs = list(zip(prompts[start : start + size], responses[start : start + size], strict=True))
        longest = max(len(prompt) + len(response) for prompt, response in pairs)
        ids = torch.tensor([[*prompt, *response] + [0] * (longest - len(prompt) - len(response)) for prompt, response in pairs])
        place = torch.arange(longest - 1)
        counted = torch.stack([(len(prompt) - 1 <= place) & (place < len(prompt) + len(response) - 1) for prompt, response in pairs])
        sums = []
        for model in (policy, base):
            logits = model(input_ids=ids.to(model.device)).logits[:, :-1].float() / settings["temperature"]
            chosen = logits.log_softmax(dim=-1).gather(2, ids[:, 1:, None].to(model.device))[:, :, 0].cpu()
            sums.append((chosen * counted).sum(dim=1))
        out.append(sums[0] - sums[1])
    return torch.cat(out)


def judged(reward: Reward, tokenizer, prompts: list[list[int]], responses: list[list[int]], reward_on: str) -> list[float]:
    """The rewards of responses: of the texts of prompt and response (`both`), or of what the response adds (`completion`)."""
    _, whole, added = models.continued(tokenizer, prompts, responses)
    return reward(whole if reward_on == "both" else added)


class Watch:
    """Measures the policy where an update begins and keeps the row in the trainer's history; stops a run that diverges."""

    def __init__(self, base, settings: dict, work: Path):
        self.base, self.settings, self.work = base, settings, work

    def measure(self, policy, state, prompts: list[list[int]], responses: list[list[int]], rewards: list[float], tokens: int) -> None:
        """Add the row of the policy's `responses`; `tokens`: those that the update learns from."""
        rows = [entry[ROW] for entry in state.log_history if ROW in entry]
        done = len(rows) + 1
        row = {
            "update": done,
            "episode": done * self.settings["batch"],
            "tokens": tokens + (rows[-1]["tokens"] if rows else 0),
            "reward": sum(rewards) / len(rewards),
            "kl": log_ratios(policy, self.base, prompts, responses, self.settings).mean().item(),
        }
        state.log_history.append({ROW: row})
        figures = " ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "update")
        log.info("%s updates: %d of %d: %s", self.settings["method"].upper(), done, self.settings["updates"], figures)
        diverged(row, self.settings, [*rows, row], self.work)


class _Checkpoints(TrainerCallback):
    """Says of each checkpoint what bytes it has, once it is whole."""

    def on_save(self, args, state, control, **_kwargs):
        checksums.write(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def newest(work: Path) -> Path | None:
    """The newest checkpoint whose bytes are those that were written; one that is not whole is named in the log and removed."""
    for folder in sorted(work.glob("checkpoint-*"), key=lambda path: -int(path.name.rsplit("-", 1)[1])):
        try:
            checksums.recorded(folder)
            log.info("resumed from %s", checksums.intact_folder(folder))
            return folder
        except UserError as error:
            log.warning("unfinished work is not resumed from %s", error)
            shutil.rmtree(folder)
    return None


def run(trainer: Trainer, settings: dict, folder: str | Path, work: Path, figures: dict[str, str]) -> tuple[nn.Module, pd.DataFrame]:
    """Train from the newest checkpoint in `work`, or the start; the tuned model in the form of the one in `folder`, and a row an update.

    `figures`: further columns, and the trainer's name of what they are the mean of over the steps of an update.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Checkpoints())
    state = newest(work)
    # The trainer takes weights by name, not strictly: those that are saved under another name it leaves as they were
    if state and "lora" not in settings:
        trainer.model.load_state_dict(models.load(state, whole=True).state_dict())
    trainer.train(resume_from_checkpoint=str(state) if state else None)
    tuned = trainer.model.merge_and_unload() if "lora" in settings else trainer.model
    policy, tensors = models.load(folder, whole=True), tuned.state_dict()
    policy.load_state_dict({name: tensors[name].detach().cpu() for name in policy.state_dict()})
    rows: list[dict] = []
    for entry in trainer.state.log_history:
        if ROW in entry:
            rows.append({**entry[ROW], **{column: [] for column in figures}})
        elif "loss" in entry:
            for column, name in figures.items():
                rows[-1][column].append(entry[name])
    means = [{key: sum(value) / len(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows]
    return policy, pd.DataFrame(means, columns=[*COLUMNS, *figures])  # a checkpoint has sorted them
