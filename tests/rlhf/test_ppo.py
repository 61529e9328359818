"""PPO: its small parts by hand, and runs of a tiny model that must be repeatable, resumable and loud when they fail."""

import copy
import math
import os
import re
import runpy
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tiny
import tiny_tokenizers
import torch
from safetensors.torch import load_file
from workflow_runs import ROOT

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from rewardscope import checksums, states
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf import ppo
from rewardscope.rlhf.ppo import RewardModule, ValueModel, adapted_kl, clip_before_step, pad_token, prompts

CPU = torch.device("cpu")
PROMPTS = 5  # the seed of the prompts of most runs here
SETTINGS = {
    "method": "ppo", "updates": 4, "batch": 8, "minibatch": 4, "ppo_epochs": 2, "learning_rate": 1e-3, "adam_epsilon": 1e-5, "max_grad_norm": 1.0, "kl": 0.05,
    "kl_target": 6.0, "kl_horizon": 100, "max_kl": 100.0, "temperature": 1.0, "prompt_tokens": [2, 9],
    "prompt_characters": 40, "response_tokens": 6, "reward_on": "both", "segment": 2,
}  # fmt: skip


# ---- parts -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kl", "factor"),
    [
        (6.0, 1.0),  # on target
        (6.6, 1 + 0.1 * 64 / 10_000),  # 10 % above
        (5.7, 1 - 0.05 * 64 / 10_000),
        (7.2, 1 + 0.2 * 64 / 10_000),
        (60.0, 1 + 0.2 * 64 / 10_000),  # clipped at 20 %
        (0.0, 1 - 0.2 * 64 / 10_000),
        (-3.0, 1 - 0.2 * 64 / 10_000),
    ],
)
def test_adapted_kl(kl, factor):
    assert adapted_kl(0.05, kl, episodes=64, target=6.0, horizon=10_000) == pytest.approx(0.05 * factor, rel=1e-12)
    assert adapted_kl(2.0, kl, episodes=64, target=6.0, horizon=10_000) == pytest.approx(2 * factor, rel=1e-12)


def test_clip_before_step():
    """The norm is that of all parameters of all groups together: 3, 4 and 12 have norm 13."""
    for max_norm, factor in ((1.0, 1 / 13), (6.5, 0.5), (20.0, 1.0)):
        parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(3))]
        optimizer = torch.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=1.0)
        clip_before_step(optimizer, max_norm)
        parameters[0].grad, parameters[1].grad = torch.tensor([3.0, -4.0]), torch.tensor([12.0])
        optimizer.step()
        moved = torch.cat([p.detach() for p in parameters])
        torch.testing.assert_close(moved, -factor * torch.tensor([3.0, -4.0, 12.0, 0.0, 0.0, 0.0]), rtol=1e-5, atol=0)


def test_prompts():
    texts, tokenizer = list(tiny.texts()), tiny.tokenizer()
    long = {tuple(tokenizer(text)["input_ids"][:9]): len(text) for text in texts}
    found = prompts(texts, tokenizer, 400, {"prompt_tokens": [2, 9], "prompt_characters": 100}, seed=1)
    assert len(found) == 400 and {len(prompt) for prompt in found} == set(range(2, 10))
    sources = [[length for doc, length in long.items() if doc[: len(prompt)] == tuple(prompt)] for prompt in found]
    assert all(source and max(source) > 100 for source in sources)  # each opens a document that is long enough
    nine = {tuple(prompt) for prompt in found if len(prompt) == 9}
    assert nine <= {doc for doc, length in long.items() if length > 100} and len(nine) > 10
    assert min(length for length in long.values()) <= 100  # there are others
    again = {"prompt_tokens": [2, 9], "prompt_characters": 100}
    assert found == prompts(texts, tokenizer, 400, again, seed=1) != prompts(texts, tokenizer, 400, again, seed=2)
    assert {len(prompt) for prompt in prompts(texts, tokenizer, 20, {**again, "prompt_tokens": [3, 3]}, seed=1)} == {3}
    with pytest.raises(UserError, match="^no train document has 1000 characters and 9 tokens to cut a prompt from$"):
        prompts(texts, tokenizer, 4, {"prompt_tokens": [2, 9], "prompt_characters": 1000}, seed=1)
    with pytest.raises(UserError, match="^no train document has 1 characters and 900 tokens "):
        prompts(texts, tokenizer, 4, {"prompt_tokens": [2, 900], "prompt_characters": 1}, seed=1)


def tokenizer_with(pad: str | None):
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.pad_token = pad
    return tokenizer


@pytest.mark.parametrize("pad", [None, "<|endoftext|>"])
def test_pad_token(pad):
    texts = list(tiny.texts())
    assert pad_token(tiny.tokenizer(), 320, texts) == 1  # its own
    tokenizer = tokenizer_with(pad)
    assert pad_token(tokenizer, 320, texts) == 300  # the first embedding row without a token
    found = pad_token(tokenizer, 300, texts)  # none: a token that no text uses
    used = {token for text in texts for token in tokenizer(text)["input_ids"]}
    assert 0 < found < 300 and found not in used
    everything = [*texts, *(tokenizer.decode([token]) for token in range(300))]
    unused = set(range(1, 300)) - {token for text in everything for token in tokenizer(text)["input_ids"]}
    assert pad_token(tokenizer, 300, everything) in unused  # bytes that are no characters by themselves


@pytest.mark.parametrize("other", ["bos_token", "eos_token", "unk_token"])
def test_a_pad_that_is_another_special_token(other):
    """It would be taken out of the texts that the model and the reward read."""
    tokenizer = tokenizer_with("<|padding|>")
    setattr(tokenizer, other, "<|padding|>")
    assert pad_token(tokenizer, 320, list(tiny.texts())) == 300


def test_ids_with_a_hole():
    """Of ten rows nine have tokens, the last one too: it is none to spare."""

    class Holed:
        pad_token_id, eos_token_id, bos_token_id, unk_token_id, all_special_ids = None, 0, None, None, [0]

        def __len__(self):
            return 9

        def __call__(self, texts):
            return {"input_ids": [[1, 2, 3, 9], [4, 6, 7]]}

        def get_vocab(self):
            return {f"t{i}": i for i in range(10) if i != 5}

    assert pad_token(Holed(), 10, ["a", "b"]) == 8


def test_no_pad_token():
    class Full:
        """Eight tokens, all in use."""

        pad_token_id, eos_token_id, bos_token_id, unk_token_id, all_special_ids = None, 0, None, None, [0]

        def get_vocab(self):
            return dict(zip("abcdefgh", range(8), strict=True))

        def __len__(self):
            return 8

        def __call__(self, texts):
            return {"input_ids": [[1, 2, 3], [4, 5, 6, 7]]}

    with pytest.raises(UserError, match="^the tokenizer has no pad token and every other token occurs in the corpus; give it a pad token$"):
        pad_token(Full(), 8, ["a", "b"])


def rows_of(*texts: str, width: int) -> torch.Tensor:
    """Rows padded on the left by 1, as prompts are."""
    ids = [tiny.tokenizer()(text)["input_ids"] for text in texts]
    return torch.tensor([[1] * (width - len(doc)) + doc for doc in ids])


def test_texts_of_the_reward():
    end = tiny.tokenizer()(" bad film")["input_ids"]
    rest = torch.tensor([[*end, 0, 1], [*end, 1, 1]])  # ended by the end token, or not
    ids = torch.cat([rows_of("the film", "a", width=9), rest], dim=1)
    assert RewardModule(len, tiny.tokenizer(), 1, 0).texts(ids) == ["the film bad film", "a bad film"]
    assert RewardModule(len, tiny.tokenizer(), 1, 9).texts(ids) == [" bad film", " bad film"]
    llama = tiny_tokenizers.FAMILIES["llama"](list(tiny.texts()))
    begin, then = (llama(text, add_special_tokens=False)["input_ids"] for text in ("a bad", "film"))
    row = torch.tensor([[*begin, *then]])
    assert RewardModule(len, llama, 2, len(begin)).texts(row) == [" film"] and RewardModule(len, llama, 2, 0).texts(row) == ["a bad film"]
    pad = tiny.tokenizer()("!")["input_ids"][0]  # a token that serves as padding is no text
    assert RewardModule(len, tiny.tokenizer(), pad, 0).texts(torch.where(ids == 1, pad, ids)) == ["the film bad film", "a bad film"]


class Letters:
    """A tokenizer of eight letters, none of them special."""

    def batch_decode(self, rows, **_):
        return ["".join("abcdefgh"[token] for token in row) for row in rows]


def test_scores():
    """What TRL does: overwrites padding by 0, asks the backbone, maps its last hidden state, reads one position a row."""
    asked = []
    module = RewardModule(lambda texts: [asked.append(texts) or float(len(text)) for text in texts], Letters(), 7, 0)
    ids = torch.tensor([[7, 7, 7, 1, 2], [7, 0, 3, 0, 0], [5, 4, 6, 7, 7]])
    backbone, mask = getattr(module, module.base_model_prefix), ids != 7
    output = backbone(input_ids=ids.masked_fill(~mask, 0), attention_mask=mask, position_ids=None, output_hidden_states=True)
    scores = module.score(output.hidden_states[-1])
    assert asked[0] == ["bc", "adaa", "feg"]  # "a" is token 0
    assert scores.shape == (3, 5, 1) and scores.dtype == torch.float32
    assert (scores[..., 0] == torch.tensor([[2.0], [4.0], [3.0]])).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reward_that_is_no_number(value):
    module = RewardModule(lambda texts: [1.0, value], tiny.tokenizer(), 1, 0)
    with pytest.raises(UserError, match="^the reward function returned a number that is not finite$"):
        module.score(rows_of("a", "b", width=2))


def test_the_critic_starts_at_zero():
    base = models.load(tiny.checkpoint("gpt_neox"))
    critic = ValueModel(copy.deepcopy(base.base_model), tiny.WIDTH)
    backbone = getattr(critic, critic.base_model_prefix)
    with torch.no_grad():
        state = backbone(input_ids=torch.tensor([[5, 6, 7]]), output_hidden_states=True).hidden_states[-1]
        assert (critic.score(state) == torch.zeros(1, 3, 1)).all()


# ---- runs ------------------------------------------------------------------------------------
def letters(texts: list[str]) -> list[float]:
    return [float(text.count("e")) for text in texts]


class Recorder:
    """A reward that keeps what it was asked, and fails at its n-th call."""

    def __init__(self, reward=letters, fails_at: int | None = None):
        self.reward, self.fails_at, self.texts, self.values = reward, fails_at, [], []

    def __call__(self, texts: list[str]) -> list[float]:
        if len(self.texts) + 1 == self.fails_at:
            raise KeyboardInterrupt
        self.texts.append(texts)
        self.values.append(self.reward(texts))
        return self.values[-1]


def train(work, reward=letters, folder=None, seed=1, prompts_seed=PROMPTS, **settings):
    return ppo.train(folder or tiny.checkpoint("gpt_neox"), list(tiny.texts()), reward, {**SETTINGS, **settings}, seed, prompts_seed, work, CPU)


def same(one, two) -> bool:
    """Two results of `train`, bit for bit."""
    (policy, rows), (other, other_rows) = one, two
    ours, theirs = policy.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours) and rows.equals(other_rows)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(policy, rows) of a run of four updates in two segments, its reward and its work folder."""
    work, reward = tmp_path_factory.mktemp("rlhf") / "work", Recorder()
    return train(work, reward), reward, work


def test_rows(undisturbed):
    (policy, rows), reward, _ = undisturbed
    assert rows.columns.tolist() == [
        "update", "episode", "tokens", "reward", "kl", "kl_coefficient", "entropy", "policy_loss", "value_loss", "clipped",
    ]  # fmt: skip
    assert rows["update"].tolist() == [1, 2, 3, 4] and rows["episode"].tolist() == [8, 16, 24, 32]
    assert rows["reward"].tolist() == pytest.approx([np.mean(values) for values in reward.values], rel=1e-6)
    assert abs(rows["kl"][0]) < 1e-3 < rows["kl"].abs().max()  # the policy begins as the reference
    # entropy of a response: 6 tokens of a random model over 300
    assert rows["entropy"].between(0.8 * 6 * math.log(300), 1.1 * 6 * math.log(300)).all()
    expected = [0.05]
    for kl in rows["kl"][:3]:
        expected.append(expected[-1] * (1 + max(-0.2, min(0.2, kl / 6 - 1)) * 8 / 100))
    assert rows["kl_coefficient"].tolist() == pytest.approx(expected, rel=1e-12)  # over the border between segments too
    base = models.load(tiny.checkpoint("gpt_neox"))
    moved = [(a - b).abs().max().item() for a, b in zip(policy.parameters(), base.parameters(), strict=True)]
    assert all(distance > 0 for distance in moved) and max(moved) < 16 * 1e-3 * 1.5  # 16 steps of Adam at 1e-3


def test_each_update_has_its_own_prompts(undisturbed):
    _, reward, _ = undisturbed
    expected = prompts(list(tiny.texts()), tiny.tokenizer(), 32, SETTINGS, PROMPTS)
    for segment in range(2):
        texts = reward.texts[2 * segment] + reward.texts[2 * segment + 1]
        openings = [tiny.tokenizer().decode(ids) for ids in expected[16 * segment : 16 * segment + 16]]
        assert len(texts) == 16 == len(match(texts, openings))


def match(texts: list[str], openings: list[str]) -> dict[int, int]:
    """Texts to openings, one to one, the longest opening first (one may open another)."""
    taken = {}
    for i in sorted(range(len(openings)), key=lambda i: -len(openings[i])):
        free = [t for t in range(len(texts)) if t not in taken and texts[t].startswith(openings[i])]
        assert free, f"{openings[i]!r} opens none of the texts"
        taken[free[0]] = i
    return taken


def test_twice(tmp_path, undisturbed):
    np.random.seed(99)  # what went before in the process is nothing
    torch.manual_seed(99)
    again = train(tmp_path / "again")
    assert same(again, undisturbed[0])
    assert not same(train(tmp_path / "other", seed=2, updates=2), train(tmp_path / "short", updates=2))


def test_killed_and_resumed(tmp_path, undisturbed):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Recorder(fails_at=4))  # in the last update of the second segment
    reward = Recorder()
    assert same(train(tmp_path, reward), undisturbed[0])
    assert len(reward.texts) == 2  # it repeats that segment alone


@pytest.mark.parametrize("left", ["nothing", "a flipped bit", "half a file"])
def test_without_its_last_segment(tmp_path, undisturbed, left, caplog):
    work = tmp_path / "moved"
    shutil.copytree(undisturbed[2], work)
    if left == "nothing":
        shutil.rmtree(work / "state00000004")
        (work / ".state00000004.partial").mkdir()  # a killed save
    else:
        file = work / "state00000004" / ("tensors.safetensors" if left == "a flipped bit" else "facts.json")
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data if left == "a flipped bit" else data[:40])
    reward = Recorder()
    assert same(train(work, reward), undisturbed[0])
    assert len(reward.texts) == 2 and ("is not resumed from" in caplog.text) == (left != "nothing")


def test_a_segment_begins_where_the_last_one_ended(tmp_path):
    """With a learning rate of 0 in the second segment, what it saves is what it was given."""
    train(tmp_path, updates=1, segment=1)
    train(tmp_path, updates=2, segment=1, learning_rate=0.0)
    saved = [load_file(tmp_path / f"state0000000{n}" / "tensors.safetensors") for n in (1, 2)]
    before, after = ({n: t for n, t in tensors.items() if not n.startswith("adam.")} for tensors in saved)
    assert before.keys() == after.keys() and all(torch.equal(before[n], after[n]) for n in before)
    assert {n.split(".")[0] for n in before} == {"policy", "value"}
    assert before["value.score.weight"].abs().max() > 0  # the critic has learned something
    # Adam goes on counting: two epochs of two minibatches an update
    assert [{v.item() for n, v in tensors.items() if n.endswith(".step")} for tensors in saved] == [{4}, {8}]
    # and its second moment keeps at least 0.999^4 of what it was
    moment = [torch.cat([v.flatten() for n, v in sorted(tensors.items()) if n.endswith("exp_avg_sq")]) for tensors in saved]
    assert (moment[1] >= 0.999**4 * 0.999999 * moment[0]).all()


def test_a_finished_run_is_not_repeated(undisturbed):
    _, _, work = undisturbed
    reward = Recorder(fails_at=1)
    assert same(train(work, reward), undisturbed[0])


def test_the_gradient_is_clipped(tmp_path):
    """With a norm of 0 nothing moves."""
    policy, _ = train(tmp_path, updates=1, max_grad_norm=0.0)
    base = models.load(tiny.checkpoint("gpt_neox"))
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), base.parameters(), strict=True))


def test_a_step_is_that_of_adam_with_its_epsilon(tmp_path):
    """The first step moves a weight by lr g / (|g| + epsilon): by less than lr epsilon^-1 max |g| where epsilon is far above all g."""
    base = models.load(tiny.checkpoint("gpt_neox"))
    moved = {}
    for epsilon in (1e-8, 1e4):
        policy, _ = train(tmp_path / str(epsilon), updates=1, batch=4, minibatch=4, ppo_epochs=1, adam_epsilon=epsilon)
        moved[epsilon] = max((a - b).abs().max().item() for a, b in zip(policy.parameters(), base.parameters(), strict=True))
    assert moved[1e-8] == pytest.approx(SETTINGS["learning_rate"], rel=0.01)
    assert moved[1e4] <= SETTINGS["learning_rate"] / 1e4  # gradients are clipped to norm 1


def test_a_run_that_diverges(tmp_path):
    with pytest.raises(UserError) as caught:
        train(tmp_path / "work", updates=6, segment=6, learning_rate=0.05, max_kl=0.5)
    message = str(caught.value)
    found = re.fullmatch(
        r"PPO diverged at update (\d+): reward \S+, KL (\S+) \(limit 0\.5\); its log is (.+); try a lower learning_rate or a higher kl",
        message,
    )
    assert found, message
    rows = pd.read_parquet(found[3])
    assert rows["update"].tolist() == list(range(1, int(found[1]) + 1)) and len(rows) > 1
    assert abs(rows["kl"].iloc[-1]) > 0.5 >= rows["kl"].iloc[:-1].abs().max()
    assert float(found[2]) == pytest.approx(rows["kl"].iloc[-1], rel=0.01)


def test_a_run_ends_where_its_kl_is_far_enough(tmp_path):
    """The first rows of the run that goes on, and so many steps of Adam; started again it has nothing left to do."""
    far = {"updates": 6, "segment": 4, "learning_rate": 0.02, "kl": 0.0}
    kl = train(tmp_path / "whole", **far)[1]
    limit = kl["kl"].iloc[:2].max()
    last = int((kl["kl"] > limit).to_numpy().argmax()) + 1
    assert 2 < last < 6
    ended = train(tmp_path / "ended", stop_kl=limit, **far)
    pd.testing.assert_frame_equal(ended[1], kl.iloc[:last])
    state = states.latest(tmp_path / "ended")
    steps = {int(value) for name, value in load_file(state.tensors).items() if name.endswith(".step")}
    assert state.facts["done"] == last and steps == {last * SETTINGS["ppo_epochs"] * SETTINGS["batch"] // SETTINGS["minibatch"]}
    assert same(train(tmp_path / "ended", stop_kl=limit, **far), ended)


def test_a_run_with_a_broken_reward(tmp_path):
    with pytest.raises(UserError, match="^the reward function returned a number that is not finite$"):
        train(tmp_path, lambda texts: [math.nan] * len(texts), updates=1)


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
    job = SimpleNamespace(input=SimpleNamespace(model=str(folder)), params=SimpleNamespace(device="cpu"), config={"activations": {"at": "mlp"}})
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


def test_reward_rises(tmp_path):
    _, rows = train(
        tmp_path, updates=8, segment=8, batch=32, minibatch=8, ppo_epochs=4, learning_rate=1e-2, kl=0.01,
        response_tokens=8, reward_on="completion",
    )  # fmt: skip
    assert rows["reward"][:2].mean() < 1 < 2 < rows["reward"][-2:].mean()  # letters e in 8 tokens
    assert rows["kl"][-2:].mean() > 1 > rows["kl"][0]  # paid for in KL
