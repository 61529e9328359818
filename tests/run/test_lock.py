"""One run at a time in a results folder, with real processes; a killed one leaves nothing that stops the next."""

import socket
import subprocess
import sys

import pytest

from rewardscope.errors import UserError
from rewardscope.run import lock as run_lock

HOLDER = "import sys, time; from rewardscope.run import lock; lock.hold(sys.argv[1]); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def other(tmp_path):
    """Another run in the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_told_of_the_first(tmp_path, other):
    who = rf"process {other.pid} on {socket.gethostname()}"
    with pytest.raises(UserError, match=rf"^{tmp_path}: another run is at work here \({who}\); wait until it has ended, or stop it$"):
        run_lock.hold(tmp_path)
    run_lock.hold(tmp_path / "elsewhere")
    run_lock.release()


def test_after_kill_9_the_next_run_just_runs(tmp_path, other):
    other.kill()
    other.wait()
    run_lock.hold(tmp_path)
    run_lock.release()
    assert (tmp_path / ".work" / "lock").read_text() == ""


def test_a_run_that_another_host_has_left(tmp_path):
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "lock").write_text("faraway 12")
    with pytest.raises(
        UserError, match=rf"a run on faraway \(process 12\) has not ended or was killed; once it is gone: python -m rewardscope recover {tmp_path}$"
    ):
        run_lock.hold(tmp_path)
    (tmp_path / ".work" / "lock").unlink()
    run_lock.hold(tmp_path)
    run_lock.release()
