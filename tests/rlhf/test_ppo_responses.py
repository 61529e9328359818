"""What PPO's prompts, responses and rewards are of, whatever the architecture and its tokenizer."""

import copy
import runpy
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from ppo_runs import PROMPTS, SETTINGS, Recorder, match, same, tokenizer_with, train
from workflow_runs import ROOT

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf.ppo import RewardModule, prompts


def test_what_the_reward_sees(tmp_path):
    """With a reward that is always 0 the two runs sample the same texts: one sees all of them, the other the ends."""
    both, ends = Recorder(lambda texts: [0.0] * len(texts)), Recorder(lambda texts: [0.0] * len(texts))
    small = {"batch": 2, "minibatch": 2, "ppo_epochs": 1, "updates": 4, "segment": 4}  # so that batches differ in length
    one, two = train(tmp_path / "a", both, **small), train(tmp_path / "b", ends, reward_on="completion", **small)
    assert same(one, two)
    assert len(both.texts) == len(ends.texts) == 4
    openings = []
    for whole, end in zip(sum(both.texts, []), sum(ends.texts, []), strict=True):
        assert end and whole.endswith(end)
        openings.append(whole[: -len(end)])
    expected = prompts(list(tiny.texts()), tiny.tokenizer(), 8, SETTINGS, PROMPTS)
    assert sorted(openings) == sorted(tiny.tokenizer().batch_decode(expected))
    assert len({len(prompt) for prompt in expected}) > 3


@pytest.fixture
def judged(monkeypatch) -> list[list[int]]:
    """The rows of token ids that the reward is asked about: a prompt padded to nine tokens on the left, and a response."""
    rows, texts = [], RewardModule.texts
    monkeypatch.setattr(RewardModule, "texts", lambda module, ids: rows.extend(ids.tolist()) or texts(module, ids))
    return rows


def test_responses_are_sampled_at_the_temperature(tmp_path, judged):
    """Their entropy is -log p of the tokens under the reference's logits over the temperature, a row at a time without padding."""
    _, rows = train(tmp_path, updates=1, ppo_epochs=1, temperature=0.5)
    base, entropies = models.load(tiny.checkpoint("gpt_neox")), []
    for row in judged:
        prompt, response = [t for t in row[:9] if t != 1], [t for t in row[9:] if t != 1]
        logits = base(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        entropies.append(-torch.log_softmax(logits / 0.5, dim=1)[range(len(response)), response].sum().item())
    assert len(entropies) == 8 and rows["entropy"].tolist() == pytest.approx([np.mean(entropies)], rel=1e-4)


def test_a_reward_and_its_twin_get_the_same_prompts_and_samples_of_their_own(tmp_path, judged):
    """In every segment; in which order is the run's own."""
    texts = {}
    for name, seeds in {"true": (1, 5), "twin": (2, 5), "other prompts": (1, 6)}.items():
        judged.clear()
        train(tmp_path / name, lambda texts: [0.0] * len(texts), None, *seeds, updates=2, segment=1, ppo_epochs=1)
        texts[name] = [sorted((tuple(row[:9]), tuple(row[9:])) for row in part) for part in (judged[:8], judged[8:])]
    opening = {name: [[prompt for prompt, _ in part] for part in parts] for name, parts in texts.items()}
    assert opening["true"] == opening["twin"] and len(opening["true"][1]) == 8
    assert not {*texts["true"][0], *texts["true"][1]} & {*texts["twin"][0], *texts["twin"][1]}
    assert sorted(sum(opening["true"], [])) != sorted(sum(opening["other prompts"], []))


def test_nothing_is_read_behind_the_end_token(tmp_path, judged):
    model = tiny.build("gpt_neox")
    norm, unembedding = models.final_norm(model)[-1], model.get_output_embeddings().weight
    with torch.no_grad():  # the norm's outputs sum to its width: a logit of 5.7 of the end token, against 299 others about 0
        norm.weight.fill_(1)
        norm.bias.fill_(1)
        unembedding[0] = 5.7 / tiny.WIDTH
    model.save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    reward = Recorder()
    _, log = train(tmp_path / "work", reward, folder=tmp_path / "base", updates=1, ppo_epochs=1, reward_on="completion")
    responses = [row[9:] for row in judged]
    assert log["tokens"].tolist() == [sum(token != 1 for row in responses for token in row)]
    ended = [(row[: row.index(0)], row[row.index(0) + 1 :]) for row in responses if 0 in row[:-1]]
    assert len(ended) > 4 and sum(len(before) > 0 for before, _ in ended) > 1
    assert all(set(after) == {1} for _, after in ended)  # padding
    texts = [text for text, row in zip(reward.texts[0], responses, strict=True) if 0 in row[:-1]]
    assert texts == tiny.tokenizer().batch_decode([before for before, _ in ended])


@pytest.mark.parametrize("kind", ["gpt_neo", "gpt2", "llama"])
def test_other_architectures(tmp_path, kind):
    """Over a border between segments; GPT-Neo and GPT-2 share their embedding with the unembedding."""
    policy, rows = train(tmp_path, folder=tiny.checkpoint(kind), updates=2, segment=1, ppo_epochs=1)
    assert len(rows) == 2 and abs(rows["kl"][0]) < 1e-3
    tied = policy.get_output_embeddings().weight is policy.get_input_embeddings().weight
    assert tied == (kind != "llama")
    base = models.load(tiny.checkpoint(kind))
    assert not torch.equal(policy.get_input_embeddings().weight, base.get_input_embeddings().weight)
    policy.save_pretrained(tmp_path / "model")
    loaded = models.load(tmp_path / "model")
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), loaded.parameters(), strict=True))


def test_a_base_is_tried_as_the_config_now_is(tmp_path, monkeypatch):
    """The script refuses what activations could not be read of before it tunes: `base_model` has tried another `activations.at`."""
    folder = tmp_path / "results/models/tiny/model"
    tiny.changed("opt").save_pretrained(folder)
    checksums.write(folder)
    monkeypatch.setattr("rewardscope.run.job.start", lambda snakemake: None)
    job = SimpleNamespace(input=SimpleNamespace(model=str(folder)), params=SimpleNamespace(device="cpu", at="mlp"))
    with pytest.raises(UserError, match=rf"^{folder}: OPTDecoderLayer: cannot tell its MLP .*; set `activations.at: residual`"):
        runpy.run_path(str(ROOT / "workflow/scripts/rlhf.py"), init_globals={"snakemake": job})


def test_a_last_state_narrower_than_the_residual_stream(tmp_path):
    """OPT-350m: a projection stands between the last block and the unembedding; the critic reads what is behind it."""
    # without dropout: OPT's is a function of its layers, which TRL leaves on
    tiny.changed("opt", word_embed_proj_dim=8, dropout=0.0).save_pretrained(tmp_path / "opt")
    tiny.tokenizer().save_pretrained(tmp_path / "opt")
    policy, rows = train(tmp_path / "work", folder=tmp_path / "opt", updates=1, ppo_epochs=1)
    assert (models.d_model(policy), policy.get_output_embeddings().in_features) == (tiny.WIDTH, 8)
    assert len(rows) == 1 and abs(rows["kl"][0]) < 1e-3


@pytest.mark.parametrize(("pad", "rows"), [(None, 320), ("<|endoftext|>", 320), (None, 300), ("<|endoftext|>", 300)])
def test_a_tokenizer_without_a_pad_token(tmp_path, pad, rows):
    """With embedding rows to spare and without."""
    tiny.build("gpt_neox", vocabulary=rows).save_pretrained(tmp_path / "base")
    tokenizer_with(pad).save_pretrained(tmp_path / "base")
    before = sorted((file.name, file.read_bytes()) for file in (tmp_path / "base").iterdir())
    reward = Recorder()
    _, log = train(tmp_path / "work", reward, folder=tmp_path / "base", updates=2, ppo_epochs=1)
    assert abs(log["kl"][0]) < 1e-3 and log["reward"].tolist() == pytest.approx([np.mean(v) for v in reward.values], rel=1e-6)
    openings = prompts(list(tiny.texts()), tokenizer_with(pad), 16, SETTINGS, PROMPTS)
    match(sum(reward.texts, []), tiny.tokenizer().batch_decode(openings))
    assert sorted((file.name, file.read_bytes()) for file in (tmp_path / "base").iterdir()) == before


def test_a_tokenizer_without_an_end_token(tmp_path):
    """Every response then has its full length."""
    tiny.build("gpt_neox").save_pretrained(tmp_path / "base")
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.eos_token = tokenizer.bos_token = None
    tokenizer.save_pretrained(tmp_path / "base")
    reward = Recorder()
    _, log = train(tmp_path / "work", reward, folder=tmp_path / "base", updates=1, ppo_epochs=1)
    assert abs(log["kl"][0]) < 1e-3 and log["reward"].tolist() == pytest.approx([np.mean(v) for v in reward.values], rel=1e-6)
