"""Two jobs of one machine take two GPUs and a third waits: real processes and locks, an `nvidia-smi` that lists two GPUs."""
import os
import subprocess
import sys
import uuid

import pytest

from rewardscope import gpus

JOB = "from rewardscope import gpus, numerics; import os, time; numerics.see_gpus(gpus.take(int(os.environ.get('COUNT', 1)), int(os.environ.get('SHARE', 1)))); print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); time.sleep(60)"


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
        for lock in gpus.LOCKS.glob(f"rewardscope-{name}*.lock"):
            lock.unlink()


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


def test_a_job_that_needs_two_takes_both_or_none(machine):
    start, names = machine
    one = start()
    taken = sees(one)
    both = start(COUNT="2")
    with pytest.raises(subprocess.TimeoutExpired):
        both.communicate(timeout=3)
    other = start()  # what is free is not held by who waits for more
    assert {taken, sees(other)} == set(names)
    one.kill()
    other.kill()
    assert sees(both) == ",".join(names)
    assert start(COUNT="3").wait(20) == 1


def test_a_gpu_that_is_not_there(machine):
    start, _ = machine
    job = start(CUDA_VISIBLE_DEVICES="5")
    assert job.wait(20) == 1


def waits(job) -> bool:
    """It says nothing in three seconds."""
    with pytest.raises(subprocess.TimeoutExpired):
        job.communicate(timeout=3)
    return True


def test_small_jobs_share_the_gpus_evenly_and_no_more_than_they_say(machine):
    start, names = machine
    shared = [start(SHARE="2") for _ in range(4)]
    seen = [sees(job) for job in shared]
    assert sorted(seen) == sorted(names * 2)
    fifth = start(SHARE="2")
    assert waits(fifth)
    shared[0].kill()
    assert sees(fifth) == seen[0]


def test_a_job_that_wants_its_gpu_alone_shares_with_nobody(machine):
    start, names = machine
    alone, small = start(), start(SHARE="3")
    assert {sees(alone), sees(small)} == set(names)
    other = start()
    assert waits(other)  # one GPU is another's, the other has a small job
    more = start(SHARE="3", CUDA_VISIBLE_DEVICES="0,1")
    assert sees(more) != ""
    small.kill()
    more.kill()
    assert sees(other) in names
