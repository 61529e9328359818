"""DPO, GRPO and RLOO on a tiny model: what they learn, what their tables say, and that a killed run ends as an undisturbed one."""

import copy
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from ppo_runs import CPU, Recorder, letters, same

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf import dpo, online, ppo, preferences, trainers
from rewardscope.rlhf.ppo import prompts
from rewardscope.rlhf.preferences import Pair

SETTINGS = {
    "updates": 4, "batch": 8, "minibatch": 4, "epochs": 2, "learning_rate": 1e-3, "adam_epsilon": 1e-5, "max_grad_norm": 1.0, "max_kl": 100.0,
    "temperature": 0.7, "prompt_tokens": [2, 9], "prompt_characters": 40, "response_tokens": 6, "reward_on": "completion", "segment": 2,
    "beta": 0.05, "generations": 4,
}  # fmt: skip
METHODS = {"dpo": dpo.train, "grpo": online.train, "rloo": online.train}


def train(method: str, work: Path, reward=letters, kind: str = "gpt_neox", **settings):
    settings = {**SETTINGS, "method": method, **settings}
    return METHODS[method](tiny.checkpoint(kind), list(tiny.texts()), reward, settings, 1, 5, work, CPU)


def log_probability(model, prompt: list[int], response: list[int]) -> float:
    """Of a response alone in its batch."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, dim=1)[range(len(response)), response].sum().item()


# ---- runs ------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_ends_as_an_undisturbed_one(method, tmp_path):
    """Killed in the third of four updates, after the checkpoint of the second; a second time its newest checkpoint is damaged."""
    whole = Recorder()
    undisturbed = train(method, tmp_path / "whole", whole)
    _, rows = undisturbed
    measured = whole.values[-4:]  # of dpo those before ranked the pairs
    assert rows["reward"].tolist() == pytest.approx([sum(values) / 8 for values in measured])
    assert rows["update"].tolist() == [1, 2, 3, 4] and rows["episode"].tolist() == [8, 16, 24, 32]
    assert abs(rows["kl"][0]) < 1e-5 < rows["kl"].abs().max()  # the base model itself, then no more
    with pytest.raises(KeyboardInterrupt):
        train(method, tmp_path / "cut", Recorder(fails_at=len(whole.texts) - 1))
    again = Recorder()
    assert same(train(method, tmp_path / "cut", again), undisturbed)
    assert again.texts == whole.texts[:-4] + whole.texts[-2:]  # the first two updates are not repeated
    last = tmp_path / "cut" / "checkpoint-16"
    file = last / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    again = Recorder()
    assert same(train(method, tmp_path / "cut", again), undisturbed) and again.texts == whole.texts[:-4] + whole.texts[-2:]
    again = Recorder()
    assert same(train(method, tmp_path / "cut", again), undisturbed) and again.texts == whole.texts[:-4]  # finished


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_of_an_adapter_ends_as_an_undisturbed_one(method, tmp_path):
    whole = Recorder()
    undisturbed = train(method, tmp_path / "whole", whole, lora={"rank": 2, "alpha": 4.0})
    base = models.load(tiny.checkpoint("gpt_neox")).state_dict()
    assert not all(torch.equal(tensor, base[name]) for name, tensor in undisturbed[0].state_dict().items())
    with pytest.raises(KeyboardInterrupt):
        train(method, tmp_path / "cut", Recorder(fails_at=len(whole.texts) - 1), lora={"rank": 2, "alpha": 4.0})
    again = Recorder()
    assert same(train(method, tmp_path / "cut", again, lora={"rank": 2, "alpha": 4.0}), undisturbed)
    assert again.texts == whole.texts[:-4] + whole.texts[-2:]


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_a_trivial_reward_rises(method, tmp_path):
    _, rows = train(
        method, tmp_path, updates=10, segment=10, batch=32, minibatch=16, learning_rate=2e-2, beta=0.0, generations=8, temperature=1.0
    )  # fmt: skip
    assert rows["reward"][:2].mean() < 1 < 2 < rows["reward"][-2:].mean()  # letters e in 6 tokens
    assert rows["kl"].iloc[-1] > 1 and rows["tokens"].iloc[-1] <= 10 * 32 * 6


def test_beta_holds_the_policy_at_the_base_model(tmp_path):
    kl = {}
    for beta in (0.0, 5.0):
        settings = {"updates": 5, "epochs": 1, "batch": 32, "minibatch": 32, "learning_rate": 5e-3, "temperature": 1.0}
        _, rows = train("grpo", tmp_path / str(beta), beta=beta, **settings)
        kl[beta] = rows["kl"].iloc[-1]
    assert kl[5.0] < 0.5 * kl[0.0]


def test_dpo_raises_the_chosen_s_log_ratio(tmp_path):
    """On pairs of a file, against their log-probabilities computed a row at a time."""
    path = Path(__file__).parents[1] / "inputs/preferences/pairs.jsonl"
    file = {"path": str(path), "prompt": "prompt", "chosen": "chosen", "rejected": "rejected", "tokens": 40}
    policy, rows = train("dpo", tmp_path, updates=6, minibatch=8, learning_rate=1e-2, beta=0.1, preferences=file)
    base = models.load(tiny.checkpoint("gpt_neox"))
    pairs = preferences.read(file, tiny.tokenizer())
    assert len(pairs) == 4 and all(pair.chosen[-1] == pair.rejected[-1] == 0 for pair in pairs)  # an end token closes them
    gains = [[log_probability(policy, p.prompt, side) - log_probability(base, p.prompt, side) for side in p[1:]] for p in pairs]
    assert all(chosen > 0.5 > rejected and chosen > rejected + 1 for chosen, rejected in gains)
    assert rows["accuracy"].iloc[-1] == 1 and rows["loss"][0] > rows["loss"].iloc[-1]
    assert rows["tokens"].diff()[1:].nunique() == 1  # four pairs an update, all of them
    assert rows["tokens"].iloc[-1] == 6 * sum(len(p.chosen) + len(p.rejected) for p in pairs)


def test_an_adapter_is_trained_and_merged(tmp_path):
    policy, _ = train("dpo", tmp_path, updates=1, lora={"rank": 2, "alpha": 4.0})
    base = models.load(tiny.checkpoint("gpt_neox")).state_dict()
    changed = {name for name, tensor in policy.state_dict().items() if not torch.equal(tensor, base[name])}
    assert changed and all(name.endswith("weight") and base[name].dim() == 2 and "embed" not in name for name in changed)
    assert all(torch.linalg.matrix_rank(policy.state_dict()[name] - base[name], rtol=1e-3) <= 2 for name in changed)


def test_a_run_that_diverges(tmp_path):
    line = r"^RLOO diverged at update 2: reward \S+, KL \S+ \(limit 0\.001\); its log is (.+); try a lower learning_rate or a higher beta$"
    with pytest.raises(UserError, match=line):
        train("rloo", tmp_path, learning_rate=0.05, max_kl=0.001)
    assert len(pd.read_parquet(tmp_path / "training.parquet")) == 2


# ---- samples and their KL --------------------------------------------------------------------
def test_log_ratios():
    """Against rows alone in their batch, at a temperature, responses of different lengths."""
    policy, base = tiny.build("gpt_neox", seed=3), tiny.build("gpt_neox", seed=4)
    asked, said = [[5, 6, 7], [8, 9], [10]], [[11], [12, 13, 14], [15, 16]]
    found = trainers.log_ratios(policy, base, asked, said, {"minibatch": 2, "temperature": 1.0}).tolist()
    assert found == pytest.approx([log_probability(policy, p, r) - log_probability(base, p, r) for p, r in zip(asked, said, strict=True)], abs=1e-4)
    hot = trainers.log_ratios(policy, base, [[5]], [[6]], {"minibatch": 2, "temperature": 0.5}).item()
    both = [torch.log_softmax(m(input_ids=torch.tensor([[5]])).logits[0, 0] / 0.5, dim=0)[6].item() for m in (policy, base)]
    assert hot == pytest.approx(both[0] - both[1], abs=1e-4)


def test_samples_end_with_the_end_token_and_leave_the_random_state():
    model, before = tiny.build("gpt_neox"), torch.get_rng_state()
    asked = prompts(list(tiny.texts()), tiny.tokenizer(), 300, SETTINGS, 1)
    settings = {**SETTINGS, "batch": 128, "temperature": 3.0}
    said = trainers.sample(model, asked, settings, 1, 0, 7)
    assert torch.equal(before, torch.get_rng_state())
    assert len(said) == 300 and {len(row) for row in said} > {6} and all(0 not in row[:-1] for row in said)
    assert all(row[-1] == 0 for row in said if len(row) < 6)
    assert said == trainers.sample(model, asked, settings, 1, 0, 7) != trainers.sample(model, asked, settings, 1, 0, 8)


@pytest.fixture(scope="module")
def endless(tmp_path_factory) -> Path:
    """A model whose config.json ends texts with every other token, and whose tokenizer has no end token."""
    folder, model, tokenizer = tmp_path_factory.mktemp("endless"), tiny.build("gpt_neox"), copy.deepcopy(tiny.tokenizer())
    tokenizer.eos_token = None
    model.config.eos_token_id = model.generation_config.eos_token_id = list(range(2, tiny.VOCABULARY, 2))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_no_sample_ends_early_where_the_tokenizer_has_no_end(endless):
    """Whatever config.json says; and what is made into preferences has no padding."""
    model, tokenizer = models.load(endless), models.load_tokenizer(endless)
    assert tokenizer.eos_token_id is None and len(model.generation_config.eos_token_id) == 149
    draw = lambda count: prompts(list(tiny.texts()), tokenizer, count, SETTINGS, 2)
    said = trainers.sample(model, draw(20), SETTINGS, 1, None, 7)
    assert all(len(row) == 6 and 1 not in row for row in said)
    pairs = preferences.made(model, tokenizer, draw, 8, letters, SETTINGS, 1, 3)
    assert all(len(side) == 6 and 1 not in side for pair in pairs for side in pair[1:])


@pytest.mark.parametrize("method", [*METHODS, "ppo"])
def test_no_response_ends_early_where_the_tokenizer_has_no_end(method, endless, tmp_path):
    own = {"ppo_epochs": 1, "kl": 0.05, "kl_target": 6.0, "kl_horizon": 1000} if method == "ppo" else {}
    settings, seen = {**SETTINGS, "method": method, "updates": 1, **own}, Recorder()
    _, rows = {**METHODS, "ppo": ppo.train}[method](endless, list(tiny.texts()), seen, settings, 1, 5, tmp_path, CPU)
    assert rows["tokens"].tolist() == [8 * 6]
    assert all(len(models.load_tokenizer(endless)(text)["input_ids"]) > 2 for texts in seen.texts for text in texts)


def test_padding_on_the_left_moves_no_position():
    """GPT-2's positions are absolute: padded, a row would be read further on."""
    model = copy.deepcopy(tiny.build("gpt2"))
    row = torch.tensor([[5, 6, 7]])
    padded, mask = torch.tensor([[1, 1, 5, 6, 7]]), torch.tensor([[0, 0, 1, 1, 1]])
    with torch.no_grad():
        alone, moved = model(input_ids=row).logits, model(input_ids=padded, attention_mask=mask).logits[:, 2:]
        trainers.place_(model)
        placed = model(input_ids=padded, attention_mask=mask).logits[:, 2:]
    torch.testing.assert_close(placed, alone, rtol=1e-4, atol=1e-4)
    assert (moved - alone).abs().max() > 0.01


# ---- preferences -----------------------------------------------------------------------------
def test_the_better_of_two_samples_is_chosen():
    model, tokenizer = tiny.build("gpt_neox"), tiny.tokenizer()
    draw = lambda count: prompts(list(tiny.texts()), tokenizer, count, SETTINGS, 2)
    settings = {**SETTINGS, "temperature": 1.0}
    pairs = preferences.made(model, tokenizer, draw, 20, letters, settings, 1, 3)
    earned = [[letters([tokenizer.decode(side, skip_special_tokens=True)])[0] for side in pair[1:]] for pair in pairs]
    assert len(pairs) == 20 and all(chosen > rejected for chosen, rejected in earned)
    tied = preferences.made(model, tokenizer, draw, 20, lambda texts: [0.0] * len(texts), settings, 1, 3)
    assert len(tied) == 20 and {tuple(p.prompt) for p in tied} == {tuple(p) for p in draw(80)[:20]}


def test_in_order():
    """Every pair once before any comes again."""
    pairs = [Pair([i], [1], [2]) for i in range(5)]
    found = [pair.prompt[0] for pair in preferences.in_order(pairs, 12, 1)]
    assert sorted(found[:5]) == sorted(found[5:10]) == [0, 1, 2, 3, 4] and len(found) == 12 and found[:5] != found[5:10]


@pytest.mark.parametrize("method", ["grpo", "dpo"])
def test_a_reward_that_fails_is_one_line(method, tmp_path):
    """What a function's checks raise passes through TRL as it is."""

    def broken(texts: list[str]) -> list[float]:
        raise UserError("mine.py:score returned nan")

    with pytest.raises(UserError, match="^mine.py:score returned nan$"):
        train(method, tmp_path, broken, updates=1)
