"""A job ends with its Snakemake: real processes, started as Snakemake starts a script (from a thread, through bash)."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

LIMIT = 4  # seconds; 2 where the machine has nothing else to do
# A job that is busy in Python, so that the watching thread has to fight for its turn.
JOB = "from rewardscope.run import orphans\norphans.watch()\nimport os\nprint('job', os.getpid(), flush=True)\nwhile True: pass\n"
OTHERWISE = "import os\ndel os.pidfd_open\n" + JOB  # before Linux 5.3, and elsewhere
SNAKEMAKE = textwrap.dedent("""
    import os, subprocess, sys, threading
    from rewardscope.run import orphans
    orphans.announce()
    command = f"set -euo pipefail; {sys.executable} job.py; true"  # true: bash stays in between
    threading.Thread(target=subprocess.run, args=(["bash", "-c", command],)).start()
""")


@pytest.fixture(params=[JOB, OTHERWISE], ids=["pidfd", "asking"])
def running(request, tmp_path):
    """(Snakemake, its job's pid), the job at work."""
    (tmp_path / "job.py").write_text(request.param)
    with subprocess.Popen([sys.executable, "-c", SNAKEMAKE], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        job = int(process.stdout.readline().split()[1])
        yield process, job
        process.kill()
        if alive(job):
            os.kill(job, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


def test_kill_9_of_snakemake(running):
    process, job = running
    assert not gone_within(job, 1.5)  # it does not end by itself
    process.kill()
    process.wait()
    assert gone_within(job, LIMIT)
    assert "Snakemake has ended, and so does this job" in process.stderr.read()


def test_kill_9_of_snakemake_and_of_who_read_it(running):
    process, job = running
    process.stderr.close()
    process.kill()
    process.wait()
    assert gone_within(job, LIMIT)


def test_kill_9_of_the_shell_in_between(running):
    _, job = running
    with open(f"/proc/{job}/stat") as stat:
        os.kill(int(stat.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert gone_within(job, LIMIT)


def test_a_snakemake_that_had_ended_before(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    run = subprocess.run([sys.executable, "-c", JOB], env={**os.environ, "REWARDSCOPE_SNAKEMAKE": str(ended.pid)}, timeout=20, check=False)
    assert run.returncode == 1


def test_without_snakemake_nothing_is_watched():
    environment = {name: value for name, value in os.environ.items() if name != "REWARDSCOPE_SNAKEMAKE"}
    code = "import threading; from rewardscope.run import orphans; orphans.watch(); assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=20)
