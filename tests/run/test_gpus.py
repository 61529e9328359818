"""Two jobs of one machine take two GPUs and a third waits: real processes and locks, an `nvidia-smi` that lists two GPUs."""

import os
import subprocess
import sys
import uuid

import pytest

from rewardscope.run import gpus

JOB = "from rewardscope import numerics; from rewardscope.run import gpus; import os, time; numerics.see_gpus(gpus.take()); print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); time.sleep(60)"


@pytest.fixture
def machine(tmp_path):
    """(start a job with some variables set, UUIDs of the GPUs)."""
    names = [f"GPU-{uuid.uuid4()}" for _ in range(2)]
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '0, {names[0]}\\n1, {names[1]}\\n'\n")
    tool.chmod(0o755)
    started = []

    def start(**variables):
        inherited = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES" and not name.startswith("SLURM_")}
        job = subprocess.Popen(
            [sys.executable, "-c", JOB], stdout=subprocess.PIPE, text=True, env={**inherited, "PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
        )
        started.append(job)
        return job

    yield start, names
    for job in started:
        job.kill()
        job.communicate()
    for name in names:
        (gpus.LOCKS / f"rewardscope-{name}.lock").unlink(missing_ok=True)


def sees(job) -> str:
    return job.stdout.readline().strip()


def test_each_job_has_its_own_and_a_third_waits_for_a_killed_one(machine):
    start, names = machine
    first, second = start(), start()
    taken = sees(first)
    assert {taken, sees(second)} == set(names)
    third = start()
    with pytest.raises(subprocess.TimeoutExpired):  # it would say what it sees
        third.communicate(timeout=3)
    first.kill()
    assert sees(third) == taken


def test_only_visible_gpus_are_taken(machine):
    start, names = machine
    assert sees(start(CUDA_VISIBLE_DEVICES="1")) == names[1]
    assert sees(start(CUDA_VISIBLE_DEVICES=names[0])) == names[0]


def test_where_there_is_nothing_to_take(machine):
    start, _ = machine
    assert sees(start(CUDA_VISIBLE_DEVICES="")) == ""
    assert sees(start(SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="0")) == "0"
    assert sees(start(PATH=os.path.dirname(sys.executable))) == "None"


def test_a_gpu_that_is_not_there(machine):
    start, _ = machine
    job = start(CUDA_VISIBLE_DEVICES="5")
    assert job.wait(20) == 1


@pytest.mark.parametrize(
    ("torch", "missing"),
    [("class cuda:\n    is_available = lambda: False", True), ("class cuda:\n    is_available = lambda: True", False), ("raise ImportError", False)],
)
def test_whether_torch_sees_a_gpu(tmp_path, monkeypatch, torch, missing):
    """Where Snakemake's own environment has no torch, as with conda, only the jobs can tell."""
    (tmp_path / "torch.py").write_text(torch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert gpus.missing() == missing
