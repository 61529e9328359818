"""docs/your-own-pair.md: its commands, in order, in a folder with what it says there is. tests/system/test_own_pair.py runs those of Snakemake too."""

import json
import re
import shlex
import shutil
from pathlib import Path

import fake_hub
import pandas as pd
import pytest
import tiny
import yaml

from rewardscope.__main__ import main
from rewardscope.setup import checks, doctor

GUIDE = Path(__file__).parents[2] / "docs/your-own-pair.md"
CODE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CPU = {"version": "2", "cuda": None, "cpu": "AVX2", "bf16": {"cpu": False}, "gpus": []}  # torch's answer, which takes seconds to ask for
PACKAGE = ["python", "-m", "rewardscope"]


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in CODE.findall(GUIDE.read_text(encoding="utf-8")) for line in block.splitlines()]


def lay_out() -> None:
    """What the page says there is, here."""
    shutil.copytree(tiny.checkpoint("llama"), "base")
    tiny.build("llama", seed=9).save_pretrained("tuned")
    tiny.tokenizer().save_pretrained("tuned")
    Path("adapter").mkdir()
    Path("adapter/adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "base"}')
    pd.DataFrame({"review": tiny.texts(120)}).to_csv("documents.csv", index=False)
    Path("rewards.py").write_text("def length(texts):\n    return [len(text) for text in texts]\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    lay_out()
    return tmp_path


def test_commands_that_prepare(folder, capsys, monkeypatch):
    """Each `init` writes the file that later commands name, which the workflow takes; `doctor` misses nothing."""
    monkeypatch.setattr(doctor, "TORCH", f"print({json.dumps(CPU)!r})")
    asked = commands()
    assert {command[0] for command in asked} == {"python", "snakemake"} and all(c[:3] == PACKAGE for c in asked if c[0] == "python")
    of = lambda verb: [command[3:] for command in asked if command[3:4] == [verb]]
    assert len(of("init")) == 3 and len(of("doctor")) == 1 and len(of("show")) == 1
    for command in of("init") + of("doctor"):
        assert main(command) == 0
    assert "Nothing that this config needs is missing." in capsys.readouterr().out
    configs = {command[command.index("--configfile") + 1] for command in asked if "--configfile" in command}
    assert configs == {"config/mine.yaml"} and {str(file) for file in Path("config").iterdir()} >= configs
    config = checks.read(["config/mine.yaml"])
    targets = {part for command in asked for part in command if part.startswith(f"{config.results}/")}
    assert targets == {"results/mine/tables/findings.csv"}
    assert f"`models.{config.pairs[0].model}.sae.l0`" in GUIDE.read_text(encoding="utf-8")


def test_the_table_says_what_is_written(folder):
    main(["init", "--base", "base", "--tuned", "tuned", "--corpus", "documents.csv"])
    overlay = yaml.safe_load(Path("config/mine.yaml").read_text())
    text = GUIDE.read_text(encoding="utf-8")
    assert overlay["models"]["base"]["sae"]["l0"] == 2 and "20 features active a token, or a sixth of d_model" in text
    assert "`picks: {top: 1}`" in text and overlay["picks"] == {"top": 1}
    assert "at most 256" in text and "At most 2,000" in text
