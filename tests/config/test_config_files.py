"""Config files that cannot be read, as the line that a user reads; also before Snakemake reads them, which would not name the line."""

import os

import pytest
import yaml
from test_config import DEFAULT, complaint, merge, with_overlay
from workflow_runs import ROOT, SMALL

from rewardscope.config import config
from rewardscope.config.files import check_text
from rewardscope.config.wording import show
from rewardscope.errors import UserError
from snakemake_logger_plugin_rewardscope import terminal

INPUTS = ROOT / "tests/inputs/config"
NOT_YAML = "this is not YAML"
SAID = {
    "tabs.yaml": f", line 2: {NOT_YAML} (found character '\\t' that cannot start any token)",
    "unclosed.yaml": f", line 4: {NOT_YAML} (expected ',' or '}}', but got '<stream end>')",
    "empty.yaml": " must hold a map, `key: value`",
    "list.yaml": " must hold a map, `key: value`",
    "latin1.yaml": ", line 2: this is not UTF-8",
    "alias.yaml": ", line 3: *rlhf stands inside &rlhf, for which it stands; write out what is meant",
    "deep.yaml": ", line 2: nested more than 50 levels deep",
    "percent.yaml": f", line 2: {NOT_YAML} (found character '%' that cannot start any token)",
    "date.yaml": f", line 2: {NOT_YAML} (month must be in 1..12)",
    "twice.json": ", line 4: kl is given twice (line 3); remove one of them",
    "cut.json": ", line 3: this is not JSON (Expecting ',' delimiter)",
    "none.yaml": " cannot be read (No such file or directory)",
    ".": " cannot be read (Is a directory)",
}


@pytest.mark.parametrize("name", SAID)
def test_a_broken_file_is_named_with_its_line(name):
    with pytest.raises(UserError) as caught:
        check_text(INPUTS / name)
    assert str(caught.value) == f"config: {INPUTS / name}{SAID[name]}"


def test_sound_files_pass(tmp_path):
    """JSON may have tabs, whatever the file is called; 50 levels and a number that Python cannot print are told elsewhere, if at all."""
    check_text(INPUTS / "sound.json")
    other = tmp_path / "sound.yaml"
    other.write_bytes((INPUTS / "sound.json").read_bytes())
    check_text(other)
    other.write_text("a: " + "[" * 49 + "]" * 49)
    check_text(other)
    other.write_text("a: &a {kl: 1}\nb: [*a, *a]\n")
    check_text(other)


@pytest.mark.parametrize("text", ["a: " + "[" * 10**5, "[" * 10**5, '{"a":' * 10**5, "a: " + "9" * 5000])
@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_what_exhausts_a_reader_is_one_line(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError, match=f"^config: {file}, line 1: "):
        check_text(file)


# ---- before Snakemake reads it ---------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments",
    [["--configfile", "{}"], ["--configfiles", "{}", "-n"], ["--configfile={}"], ["all", "--configfile", "{small}", "{}", "--cores", "2"]],
)
def test_overlays_are_found_on_the_command_line(arguments):
    file = INPUTS / "latin1.yaml"
    with pytest.raises(SystemExit) as stopped:
        terminal.check_overlays([word.format(file, small=SMALL) for word in arguments])
    assert stopped.value.code == f"rewardscope: config: {file}, line 2: this is not UTF-8"
    terminal.check_overlays(["--cores", "2", "--configfile", str(SMALL)])
    terminal.check_overlays(["--cores", "2", "--config", "runs=2", "-n", "table3"])


@pytest.mark.workflow
@pytest.mark.parametrize("name", ["tabs.yaml", "latin1.yaml", "alias.yaml", "deep.yaml", "twice.json", "none.yaml"])
def test_snakemake_says_that_line_and_writes_nothing(served, tmp_path, name):
    run = served(tmp_path, "--configfile", str(SMALL), str(INPUTS / name))
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "profile" not in line]
    assert run.returncode != 0 and lines == [f"rewardscope: config: {INPUTS / name}{SAID[name]}"]
    assert set(os.listdir(tmp_path)) <= {".snakemake"}


# ---- what is refused of what they say --------------------------------------------------------
def test_a_chain_of_entries():
    raw = merge(DEFAULT, yaml.safe_load((INPUTS / "chain.yaml").read_text()))
    assert complaint(raw) == "rewards.r19.like leads through more than 20 entries, each like the next; write out there what is meant"
    del raw["rewards"]["r20"], raw["rewards"]["r19"]
    config.load(raw)


def test_a_cache_inside_results_however_it_is_spelt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/paid").mkdir(parents=True)
    (tmp_path / "link").symlink_to("results/paid")
    (tmp_path / "other").symlink_to("results")
    for cache in ("link", "link/deeper", "other/x", f"{tmp_path}/results/x"):
        with pytest.raises(UserError) as caught:
            config.check_files(config.load(with_overlay(f"cache: {cache}")))
        assert str(caught.value) == f"config: cache is {show(cache)}, which lies in results (results); it must lie outside"
    for cache in ("other/../results/x", "a/../results/x"):
        assert complaint(with_overlay(f"cache: {cache}")) == f"cache is {cache}; it must lie outside results (results)"
    for cache in ("results2", "results/../x", ".cache"):
        config.check_files(config.load(with_overlay(f"cache: {cache}")))
