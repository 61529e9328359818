"""Checkpoints of the hub: what is fetched and from where, and every complaint as the line that a user reads."""

import json
import os
import subprocess
import sys

import fake_hub
import pytest
import tiny
from fetched import complaint, same

from rewardscope.models.checkpoints import fetch

HUB = {"hub": "org/tiny", "revision": None, "path": None}
FAR = "and the hub cannot be reached; name a local copy instead, with path: (of a model) or rlhf: (of a pair)"


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_hub_cache_without_a_network(tmp_path, monkeypatch, kind):
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint(kind)))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    source = fetch(HUB, tmp_path / "ours")
    assert {key: source[key] for key in ("hub", "revision", "commit")} == {"hub": "org/tiny", "revision": None, "commit": fake_hub.FIRST}
    assert same(tiny.checkpoint(kind), tmp_path / "ours")


def test_not_in_the_cache(tmp_path, monkeypatch):
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    assert complaint(HUB, tmp_path) == f"model org/tiny is not in the local hub cache, {FAR}"
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, {"README.md": b"# Tiny"})
    assert complaint(HUB, tmp_path) == "org/tiny: no config.json; name the folder of a Hugging Face model"
    assert complaint({**HUB, "revision": "step9"}, tmp_path) == f"model org/tiny at step9 is not in the local hub cache, {FAR}"


def test_a_silent_change_is_refused(tmp_path, monkeypatch):
    record = tmp_path / "source.json"
    for commit, kind, ref in ((fake_hub.FIRST, "gpt2", "v1"), (fake_hub.FIRST, "gpt2", "main")):
        fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", commit, fake_hub.contents(tiny.checkpoint(kind)), ref)
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    record.write_text(json.dumps(fetch(HUB, tmp_path / "first", record)))
    assert fetch(HUB, tmp_path / "again", record) == json.loads(record.read_text())
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.SECOND, fake_hub.contents(tiny.checkpoint("llama")))
    assert complaint(HUB, tmp_path, record) == (
        f"org/tiny at main was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}; "
        f"to keep the old one pin it (revision:, or in a pair rlhf: org/tiny@{fake_hub.FIRST}), to accept the new one delete {record}"
    )
    pinned = fetch({**HUB, "revision": fake_hub.FIRST}, tmp_path / "pinned", record)
    assert pinned["commit"] == pinned["revision"] == fake_hub.FIRST and same(tmp_path / "pinned", tmp_path / "first")
    fetch({"path": str(tiny.checkpoint("gpt2"))}, tmp_path / "local", record)  # another source is a change that someone made
    record.unlink()
    assert fetch(HUB, tmp_path / "accepted", record)["architecture"] == "LlamaForCausalLM"


def test_an_earlier_record_of_another_kind(tmp_path, monkeypatch):
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint("gpt2")))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    (tmp_path / "source.json").write_text('{"pretrained": {"steps": 3}, "seed": 1}')
    fetch(HUB, tmp_path / "ours", tmp_path / "source.json")


def test_download(tmp_path, monkeypatch):
    """From a server: weights come only once all else is well; pickles, scripts and other folders never do."""
    good = {
        **fake_hub.contents(tiny.checkpoint("gpt2")),
        "README.md": b"#",
        "pytorch_model.bin": b"\x80",
        "modeling.py": b"1/0",
        "onnx/config.json": b"{}",
    }
    asks = {**good, "config.json": json.dumps({**json.loads(good["config.json"]), "auto_map": {}}).encode()}
    refs = {"main": fake_hub.FIRST, "odd": fake_hub.SECOND}
    with fake_hub.serve("org/tiny", refs, {fake_hub.FIRST: good, fake_hub.SECOND: asks}) as (address, sent):
        fake_hub.connect(monkeypatch, tmp_path / "hub", address)
        assert "auto_map" in complaint({**HUB, "revision": "odd"}, tmp_path)
        assert "config.json" in sent and "model.safetensors" not in sent
        record = tmp_path / "source.json"
        record.write_text(json.dumps({"hub": "org/tiny", "revision": None, "commit": fake_hub.SECOND}))
        assert f"delete {record}" in complaint(HUB, tmp_path, record) and "model.safetensors" not in sent
        fetch(HUB, tmp_path / "fetched")
        assert set(sent) == set(fake_hub.contents(tiny.checkpoint("gpt2")))
        assert complaint({**HUB, "revision": "v9"}, tmp_path) == "the hub has no model org/tiny at v9; set revision to a branch, tag or commit of it"
        said = "the hub shows no model org/none: check the name; for a private or gated one run `hf auth login`; or name a local copy instead, "
        assert complaint({**HUB, "hub": "org/none"}, tmp_path) == said + "with path: (of a model) or rlhf: (of a pair)"
    assert same(tiny.checkpoint("gpt2"), tmp_path / "fetched")


def test_a_download_that_breaks(tmp_path, monkeypatch):
    class Endless(dict):
        def __missing__(self, file):
            raise ConnectionAbortedError  # the server hangs up

    files = Endless({"config.json": b"{}"})
    with fake_hub.serve("org/tiny", {"main": fake_hub.FIRST}, {fake_hub.FIRST: files}) as (address, _):
        fake_hub.connect(monkeypatch, tmp_path / "hub", address)
        monkeypatch.setattr(fake_hub.Hub, "_answer", lambda self, *_: self.wfile.write(b"nonsense\r\n"))
        assert complaint(HUB, tmp_path).startswith("model org/tiny cannot be downloaded (RemoteProtocolError: ")


def test_environment_variables(tmp_path):
    """As a user sets them, in a fresh process, which says nothing of its own."""
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint("gpt2")))
    command = f"from rewardscope.models.checkpoints import Base, fetch; print(fetch({HUB!r}, 'ours')['commit'])"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, fake_hub.FIRST + "\n", "")
    assert same(tiny.checkpoint("gpt2"), tmp_path / "ours")
