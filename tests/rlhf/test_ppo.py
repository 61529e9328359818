"""PPO: runs of a tiny model that must be repeatable, resumable and loud when they fail."""

import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from ppo_runs import PROMPTS, SETTINGS, Recorder, match, same, train
from safetensors.torch import load_file

from rewardscope import states
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf.ppo import prompts


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


def test_reward_rises(tmp_path):
    _, rows = train(
        tmp_path, updates=8, segment=8, batch=32, minibatch=8, ppo_epochs=4, learning_rate=1e-2, kl=0.01,
        response_tokens=8, reward_on="completion",
    )  # fmt: skip
    assert rows["reward"][:2].mean() < 1 < 2 < rows["reward"][-2:].mean()  # letters e in 8 tokens
    assert rows["kl"][-2:].mean() > 1 > rows["kl"][0]  # paid for in KL
