"""PPO in two processes of a real `accelerate launch`, on the CPU."""
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from safetensors.torch import load_file
from test_rlhf import SETTINGS

from rewardscope import launch, models, rlhf
from rewardscope.errors import UserError

CPU = torch.device("cpu")
REWARD = """
import os

def letters(texts):
    with open(__file__ + os.environ.get("RANK", "alone"), "a") as asked:
        print(*map(repr, texts), sep="\\n", file=asked)
    return [float(text.count("e")) for text in texts]
"""


@pytest.fixture
def job(tmp_path):
    """What `launch.run` is given beside the work folder and settings."""
    pd.DataFrame({"text": tiny.texts()}).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "reward.py").write_text(REWARD)
    reward = {"function": f"{tmp_path}/reward.py:letters"}
    return {"model": str(tiny.checkpoint("gpt_neox")), "train": str(tmp_path / "train.parquet"), "reward": reward, "reward_folder": "", "seed": 1}


def launched(work, job, **settings):
    """(policy, rows) of a run in two processes, its log beside its work folder."""
    settings = {**SETTINGS, "processes": 2, **settings}
    work.mkdir(exist_ok=True)
    out, sys.stdout = sys.stdout, open(work.with_suffix(".log"), "a")
    try:
        launch.run(work, 2, False, settings=settings, **job)
    finally:
        sys.stdout.close()
        sys.stdout = out
    untouched = lambda texts: pytest.fail("there was nothing left to train")  # noqa: E731
    return rlhf.train(job["model"], list(tiny.texts()), untouched, settings, job["seed"], work, CPU)


def same(one, two) -> bool:
    ours, theirs = one[0].state_dict(), two[0].state_dict()
    return all(torch.equal(ours[n], theirs[n]) for n in ours) and one[1].equals(two[1])


@pytest.mark.parametrize("settings", [{}, {"fsdp": True}, {"precision": "bfloat16"}, {"precision": "bfloat16", "fsdp": True}], ids=str)
def test_two_processes(tmp_path, job, settings):
    """They train the same policy, which moves; a run that lost its last segment ends as the undisturbed one."""
    policy, rows = launched(tmp_path / "work", job, **settings)
    assert rows["update"].tolist() == [1, 2, 3, 4] and rows["episode"].tolist() == [8, 16, 24, 32]
    assert abs(rows["kl"][0]) < 1e-3  # the policy begins as the reference
    first, second = (Path(f"{tmp_path}/reward.py{rank}").read_text().splitlines() for rank in (0, 1))
    assert len(first) == len(second) == 16 and not set(first) & set(second)  # half of the episodes each, other ones
    base = models.load(job["model"])
    moved = [(a - b).abs().max().item() for a, b in zip(policy.parameters(), base.parameters(), strict=True)]
    assert all(0 < distance < 16 * 1e-3 * 1.5 for distance in moved)
    tensors = load_file(tmp_path / "work/state00000004/tensors.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float32} and tensors["adam.0.step"] == 16
    for file in (tmp_path / "work/state00000004").iterdir():
        file.unlink()
    (tmp_path / "work/state00000004").rmdir()
    assert same(launched(tmp_path / "work", job, **settings), (policy, rows))


def test_sharded_weights_are_the_same_run(tmp_path, job):
    """FSDP changes where weights lie, and nothing but the rounding of what is computed."""
    whole, parts = launched(tmp_path / "whole", job), launched(tmp_path / "parts", job, fsdp=True)
    pd.testing.assert_frame_equal(whole[1], parts[1], rtol=1e-3, atol=1e-4)
    for a, b in zip(whole[0].parameters(), parts[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_a_mistake_in_one_process_is_one_line(tmp_path, job):
    (tmp_path / "reward.py").write_text(REWARD.replace('float(text.count("e"))', "float('nan')"))
    with pytest.raises(UserError, match="not finite|finite number"):
        launched(tmp_path / "work", job)
    (tmp_path / "reward.py").write_text(REWARD.replace("    return", "    os.environ['RANK'] == '1' and os._exit(3)\n    return"))
    with pytest.raises(RuntimeError, match="^a process of accelerate launch ended with status 1; "):
        launched(tmp_path / "work", job)


def test_one_process_in_float32_needs_no_launcher():
    assert not launch.needed(SETTINGS)
    assert launch.needed({**SETTINGS, "processes": 2}) and launch.needed({**SETTINGS, "precision": "bfloat16"})


def test_a_machine_with_too_few_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="^rlhf.processes is 2, but this job has 1 GPUs; each process takes one$"):
        launch.run(tmp_path, 2, True, settings={**SETTINGS, "processes": 2})
