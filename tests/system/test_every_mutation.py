"""Every mutated config of tests/mutations.py and tests/config_lines.py, every key's value of tests/staleness.yaml; broken files through Snakemake."""

import shutil

import config_lines
import pytest
import test_config
import test_mutations
import test_staleness
from config_keys import leaves
from mutations import mutations, refused
from test_mutations import TEXTS, bomb
from workflow_runs import ROOT, SMALL


@pytest.mark.parametrize("what", mutations())
def test_one_line_names_the_key(what):
    test_mutations.test_one_line_names_the_key(what)


@pytest.mark.parametrize("overlay, line", config_lines.TYPES + config_lines.RANGES)
def test_line(overlay, line):
    test_config.test_line(overlay, line)


@pytest.mark.parametrize("overlay, start", config_lines.TEXTS)
def test_line_about_text(overlay, start):
    test_config.test_line_about_text(overlay, start)


@pytest.mark.parametrize("key", sorted(test_config.DEFAULT))
def test_each_section_is_needed(key):
    test_config.test_each_section_is_needed(key)


@pytest.mark.parametrize("seed", range(3, 40))
def test_whatever_is_written_gives_a_config_or_one_line(seed):
    test_config.test_whatever_is_written_gives_a_config_or_one_line(seed)


@pytest.mark.parametrize("key", leaves())
def test_a_key_s_new_value_is_another_one(key):
    test_staleness.test_its_new_value_is_another_one(key)


@pytest.mark.parametrize("what", TEXTS)
def test_a_broken_config_yaml_is_named_with_its_line(what, served, tmp_path):
    """The project's own config.yaml is read by the Snakefile."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "src", project / "src")
    shutil.copytree(ROOT / "workflow", project / "workflow")
    shutil.copy(ROOT / "Snakefile", project)
    text, line = TEXTS[what]
    (project / "config.yaml").write_bytes(text)
    run = served(project, "--cores", "1", snakefile=project / "Snakefile")
    lines = (run.stdout + run.stderr).splitlines()
    assert run.returncode != 0 and len(lines) == 1
    assert lines[0].startswith(f"rewardscope: config: {project / 'config.yaml'}") and lines[0].endswith(line)
    assert not (project / "results").exists()


@pytest.mark.parametrize("what", [what for what in TEXTS if not what.startswith("twice")])
def test_a_broken_overlay_is_named_with_its_line(what, served, tmp_path):
    """The logger plugin reads `--configfile` before Snakemake does, which would not name the line."""
    text, line = TEXTS[what]
    (tmp_path / "overlay.yaml").write_bytes(text)
    run = served(tmp_path, "--configfile", str(SMALL), "overlay.yaml")
    said = [one for one in (run.stdout + run.stderr).splitlines() if not one.startswith("Using workflow specific profile")]
    assert run.returncode != 0 and not (tmp_path / "results").exists()
    assert len(said) == 1 and said[0].startswith("rewardscope: config: overlay.yaml") and said[0].endswith(line)


@pytest.mark.parametrize("key", ["pairs", "layers", "rlhf"])
def test_a_bomb_of_lists_is_one_short_line(key, served, tmp_path):
    """9 ** 9 entries, if anyone wrote them out."""
    text = bomb(9, 9).replace("b8:", f"{key}:")
    assert "\nb7" in text and len(refused(tmp_path, text.encode(), served)) < 1000
