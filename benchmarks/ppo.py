"""PPO: episodes a second of `ppo.train` against TRL's trainer as it comes, on the embedded base model's shape.

    python benchmarks/ppo.py --updates 8 --rounds 5

One run, alternating rounds, the settings of config.yaml. Both start from the same random weights, see the same prompts and
ask the same reward (VADER). Timed is training alone: TRL's from the trainer's `train` on, ours whole, with the state saved
after its segment.
"""

import argparse
import gc
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch
import yaml
from datasets import Dataset
from trl.experimental.ppo import PPOConfig, PPOTrainer

from rewardscope.data import grammar
from rewardscope.models import checkpoints, models
from rewardscope.models import pretrain as base_model
from rewardscope.rewards import rewards
from rewardscope.rlhf import ppo

ROOT = Path(__file__).parents[1]


def plain(folder: Path, texts: list[str], reward: rewards.Reward, settings: dict) -> float:
    """TRL as it comes: its optimizer, its generation batches, no clipping, no adaptive KL."""
    tokenizer = models.load_tokenizer(folder)
    policy, reference = models.load(folder), models.load(folder)
    critic = ppo.ValueModel(models.load(folder).base_model, models.d_model(policy))
    queries = ppo.prompts(texts, tokenizer, settings["updates"] * settings["batch"], settings, 1)
    pad, longest = tokenizer.pad_token_id, settings["prompt_tokens"][1]
    policy.generation_config.pad_token_id = pad
    with tempfile.TemporaryDirectory() as scratch:
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=scratch, per_device_train_batch_size=settings["minibatch"],
                gradient_accumulation_steps=settings["batch"] // settings["minibatch"],
                num_mini_batches=settings["batch"] // settings["minibatch"], num_ppo_epochs=settings["ppo_epochs"],
                total_episodes=settings["updates"] * settings["batch"], learning_rate=settings["learning_rate"],
                response_length=settings["response_tokens"],
                temperature=settings["temperature"], stop_token="eos", num_sample_generations=0, bf16=False, gradient_checkpointing=False,
                use_cpu=True, save_strategy="no", report_to="none", disable_tqdm=True,
            ),
            processing_class=tokenizer, model=policy, ref_model=reference, value_model=critic,
            reward_model=ppo.RewardModule(reward, tokenizer, pad, 0),
            train_dataset=Dataset.from_dict({"input_ids": queries}), eval_dataset=Dataset.from_dict({"input_ids": queries[:1]}),
            data_collator=lambda features: ppo._left_padded(features, pad, longest),
        )  # fmt: skip
        begun = time.perf_counter()
        trainer.train()
        return time.perf_counter() - begun


def ours(folder: Path, texts: list[str], reward: rewards.Reward, settings: dict) -> float:
    with tempfile.TemporaryDirectory() as work:
        begun = time.perf_counter()
        ppo.train(folder, texts, reward, settings, 1, 1, Path(work), torch.device("cpu"))
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    settings = raw["rlhf"] | {"updates": arguments.updates, "segment": arguments.updates}
    pretrain = raw["models"]["tiny"]["pretrain"] | {"steps": 1}
    texts = [document["text"] for document in grammar.generate(2000, 1)]
    reward = rewards.load({"words": "vader"}, None, torch.device("cpu"))
    seconds: dict[str, list[float]] = {"TRL": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(*base_model.pretrain(texts, pretrain, 1, "cpu"), Path(folder))
        for _ in range(arguments.rounds):
            for name, train in (("TRL", plain), ("ours", ours)):
                seconds[name].append(train(Path(folder), texts, reward, settings))
                gc.collect()
    episodes = arguments.updates * settings["batch"]
    print(f"{arguments.updates} updates of {settings['batch']} episodes, {arguments.threads} threads, {arguments.rounds} rounds")
    for name, times in seconds.items():
        rate = episodes / statistics.median(times)
        speedup = statistics.median(seconds["TRL"]) / statistics.median(times)
        print(f"{name:6}{rate:8.1f} episodes/s ({episodes / max(times):.1f}-{episodes / min(times):.1f}), {speedup:.2f} x TRL")
    print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
