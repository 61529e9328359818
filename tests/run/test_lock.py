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


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("file", "Not a directory: {0}/.work); {0} is no folder: remove it or set `results`"),
        ("below a file", "Not a directory: {0}/sub/.work); {0} is no folder: remove it or set `results`"),
        ("dangling", "File exists: {0}); {0} is a link to nothing: remove it or set `results`"),
        ("loop", "Too many levels of symbolic links: {0}/.work); {0} is a link to nothing: remove it or set `results`"),
        ("long", "File name too long: {0}/.work); shorten `results`"),
        ("read-only", "{0}/.work); make it writable or set `results` to another folder"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, kind, said):
    place = tmp_path / ("x" * 300 if kind == "long" else "results")
    if "file" in kind:
        place.write_text("")
    elif kind != "long":  # no rights of root's write below /proc
        place.symlink_to({"dangling": "nowhere", "loop": "results", "read-only": "/proc/self"}[kind])
    folder = place / "sub" if kind == "below a file" else place
    with pytest.raises(UserError) as error:
        run_lock.hold(folder)
    assert str(error.value).startswith(f"{folder}: no results can be kept here (") and str(error.value).endswith(said.format(place))


def test_a_working_directory_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_lock.need_workdir()
    assert (tmp_path / ".snakemake").is_dir()
    monkeypatch.chdir("/proc/self")
    with pytest.raises(UserError, match=r"^/proc/\d+: Snakemake cannot make its folder .snakemake here \(.*\); make it writable, or work in another"):
        run_lock.need_workdir()
