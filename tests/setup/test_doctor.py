"""What `doctor` says of machines that are made up here: programs by a PATH of our own, a hub and a chat server on this machine, torch's answer by hand."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import fake_hub
import fake_llm
import pytest

from rewardscope.__main__ import main
from rewardscope.errors import UserError
from rewardscope.explain import client
from rewardscope.setup import doctor

CPU = {"version": "2.13.0", "cuda": None, "cpu": "AVX2", "bf16": {"cpu": False}, "gpus": []}
GPU = {**CPU, "cuda": "13.0", "bf16": {"cpu": False, "cuda": True}, "gpus": [["Zeta 9", 80 * 2**30]]}
FAR = "models: {far: {hub: org/far, sae: {widths: [8, 16], l1: 0.1}}}\npairs: [{model: far, name: audited, corpus: reviews, rlhf: org/tuned@v1}]\n"
PAIRS_OF_HUB = """
rewards: {dpo: {like: utility, method: dpo, dpo: {preferences: {hub: {name: org/pairs}, tokens: 64}}}}
pairs: [{model: tiny, reward: dpo, corpus: reviews}]
"""
ASKING = "explainer: openai\nllm: {{base_url: '{url}', model: m}}\n"
NOTHING = "\nNothing that this config needs is missing.\n"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A working directory, no programs, no network, torch on a CPU; `machine(torch=..., name=script)` changes that."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    fake_hub.connect(monkeypatch, tmp_path / "hub")

    def change(torch: object = None, **programs: str) -> None:
        if torch is not None:
            monkeypatch.setattr(doctor, "TORCH", torch if isinstance(torch, str) else f"print({json.dumps(torch)!r})")
        for name, script in programs.items():
            file = tmp_path / "bin" / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)

    change(torch=CPU)
    return change


@pytest.fixture
def said(tmp_path, capsys):
    """`said(overlay)`: exit status, {what: (state, text)} and the last line of a run of the command."""

    def run(overlay: str = "") -> tuple[int, dict[str, tuple[str, str]], str]:
        (tmp_path / "over.yaml").write_text(overlay or "seed: 1\n")
        status = main(["doctor", "--configfile", str(tmp_path / "over.yaml")])
        out = capsys.readouterr().out
        *lines, last = out.strip().split("\n\n")
        rows = [(line[:8].strip(), line[8:20].strip(), line[20:]) for line in lines[0].splitlines()]
        return status, {what: (state, text) for state, what, text in rows}, last

    return run


def test_a_bare_machine_has_all_that_the_default_needs(said):
    status, lines, last = said()
    assert status == 0 and last == NOTHING.strip()
    assert list(lines) == "config,Python,torch,CPU,bf16,GPU,memory,disk,hub,chat server,Slurm,graphviz,git".split(",")
    assert {what for what, (state, _) in lines.items() if state == "note"} >= {"hub", "Slurm", "graphviz", "git"}
    assert lines["torch"][1] == "2.13.0, built for the CPU alone" and lines["CPU"][1].endswith("cores, torch uses AVX2")
    assert "activations take at most" in lines["disk"][1] and "install git" in lines["git"][1] and "install Graphviz" in lines["graphviz"][1]
    assert "no explanation of this config needs one" in lines["chat server"][1] and not list((doctor.Path.cwd()).glob("results*"))


def test_what_is_there_is_named(said, machine):
    machine(torch=GPU, sinfo="echo gpu; echo cpu; echo gpu", sbatch="", dot="", git="echo git version 9.9")
    lines = said("sae_recipes: {paper: {precision: bfloat16}}")[1]
    assert lines["GPU"] == ("ok", "Zeta 9, 80.0 GiB") and lines["bf16"] == ("ok", "the GPU multiplies it in hardware: `precision: auto` uses it")
    assert lines["Slurm"][1].startswith("partitions cpu gpu; ") and lines["git"] == ("ok", "git version 9.9") and lines["graphviz"][0] == "ok"


@pytest.mark.parametrize(
    ("overlay", "change", "what", "state", "words"),
    [
        ("device: cuda", {}, "GPU", "MISSING", "none, but the config has device: cuda; set it to cpu or auto"),
        ("device: cuda", {"nvidia_smi": "echo Zeta 9"}, "GPU", "MISSING", "Zeta 9, but this torch is built for the CPU: install torch's CUDA build"),
        ("", {"nvidia_smi": "echo Zeta 9"}, "GPU", "note", "Zeta 9, but this torch is built for the CPU"),
        ("", {"nvidia_smi": "echo Zeta 9", "torch": {**CPU, "cuda": "13.0"}}, "GPU", "note", "Zeta 9, but torch sees none: look at CUDA_VISIBLE_DEVICES"),
        ("", {"nvidia_smi": "echo no driver >&2; exit 9"}, "GPU", "ok", "none; the CPU is used"),
        ("", {"torch": "raise ImportError('libcudart.so is not there')"}, "torch", "MISSING", "fails (ImportError: libcudart.so is not there)"),
        ("", {"torch": {**CPU, "cpu": "DEFAULT"}}, "CPU", "note", "without AVX2"),
        ("activations: {precision: bfloat16}", {}, "bf16", "note", "slow: set activations.precision to auto"),
        ("device: cpu\nactivations: {precision: bfloat16}", {"torch": GPU}, "bf16", "note", "not in this CPU's hardware"),
        ("", {"sinfo": "echo no slurmctld >&2; exit 1", "sbatch": ""}, "Slurm", "note", "sinfo fails (no slurmctld)"),
        (FAR, {}, "hub", "MISSING", "offline mode (HF_HUB_OFFLINE); org/far, org/tuned is not in the local cache; unset it"),
        (PAIRS_OF_HUB, {}, "hub", "MISSING", "offline mode (HF_HUB_OFFLINE); org/pairs is not in the local cache; unset it"),
        ("explainer: openai", {}, "chat server", "MISSING", "OPENAI_API_KEY is not set"),
        ("corpora: {reviews: {generate: {test: 2000000000}}}", {}, "disk", "MISSING", "make room, set activations.keep: false"),
        ("rlhf: {learning_rat: 0.1}", {}, "config", "MISSING", "rlhf.learning_rat is not a key; did you mean rlhf.learning_rate?"),
        ("rewards: {r: {function: 'no.py:f'}}\npairs: [{model: tiny, reward: r, corpus: reviews}]", {}, "config", "MISSING", "no.py: cannot be read"),
        ("pairs: [", {}, "config", "MISSING", "over.yaml, line 1: this is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_says_what_to_do(said, machine, overlay, change, what, state, words):
    machine(**change)
    status, lines, last = said(overlay)
    assert lines[what][0] == state and words in lines[what][1]
    assert status == int(state == "MISSING") and last == (f"Missing for this config: {what}." if status else NOTHING.strip())


def test_a_folder_that_cannot_be_written_is_missing(said, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    status, lines, _ = said()
    assert status == 1 and lines["disk"][0] == "MISSING" and "cannot be written" in lines["disk"][1]


def test_what_lies_there_already_needs_no_room(said, monkeypatch, tmp_path):
    """Room for half of what the default's activations take; half of them are there."""
    needed = doctor.plan.room(doctor.read([]))[0]
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=0.6 * needed))
    assert said()[0] == 1
    shard = tmp_path / "work/results/bases/tiny/activations/top1/part0/fit.safetensors"
    shard.parent.mkdir(parents=True)
    with open(shard, "wb") as file:
        file.truncate(int(0.5 * needed))
    assert said()[0] == 0


# ---- the hub -----------------------------------------------------------------------------------
def test_what_the_cache_holds_needs_no_hub(said, tmp_path):
    for name, ref in (("org/far", "main"), ("org/tuned", "v1")):
        fake_hub.lay_out(tmp_path / "hub", "model", name, fake_hub.FIRST, {"config.json": b"{}", "model.safetensors": b""}, ref)
    status, lines, _ = said(FAR)
    assert status == 0 and lines["hub"] == ("note", "offline mode (HF_HUB_OFFLINE); this config needs nothing more from it")


class Answers(BaseHTTPRequestHandler):
    status, seconds, content = 200, 0.0, b"{}"

    def do_GET(self) -> None:
        time.sleep(self.seconds)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server():
    """`server(status, seconds, content)`: the address of one that answers every GET so."""
    started = []

    def start(**answers) -> str:
        started.append(ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answers,), answers)))
        threading.Thread(target=started[-1].serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_port}"

    yield start
    for one in started:
        one.shutdown()


@pytest.mark.parametrize(
    ("status", "words"), [(200, "can be reached; to be fetched: org/far, org/tuned"), (503, "answers 503; org/far, org/tuned is not")]
)
def test_the_hub_is_asked(said, monkeypatch, tmp_path, server, status, words):
    fake_hub.connect(monkeypatch, tmp_path / "hub", server(status=status))
    code, lines, _ = said(FAR)
    assert words in lines["hub"][1] and code == int(status != 200)


def test_a_silent_hub_holds_nobody_up(said, monkeypatch, tmp_path, server):
    monkeypatch.setattr(doctor, "PATIENCE", 0.1)
    fake_hub.connect(monkeypatch, tmp_path / "hub", server(seconds=60.0))
    began = time.monotonic()
    code, lines, _ = said()
    assert "cannot be reached" in lines["hub"][1] and code == 0 and time.monotonic() - began < 30


def test_a_check_that_fails_or_never_ends_has_a_line():
    checks = {"one": (lambda _: 1 / 0, 0.1), "two": (lambda _: time.sleep(9), -0.9), "three": (lambda _: [doctor.Line("three", "ok", "well")], 0.1)}
    lines = doctor._asked(checks, None)
    assert [line.what for line in lines] == ["one", "two", "three"] and [line.state for line in lines] == ["note", "note", "ok"]
    assert lines[0].text == "cannot be looked at (ZeroDivisionError: division by zero)" and lines[1].text.startswith("no answer within")


# ---- the chat server ---------------------------------------------------------------------------
MODELS = b'{"object": "list", "data": [{"id": "m"}, {"id": "other"}]}'


@pytest.mark.parametrize(
    ("answer", "model", "state", "words"),
    [
        ({"content": MODELS}, "m", "ok", "answers, and has m"),
        ({"content": MODELS}, "gpt", "note", "does not list gpt; llm.model may be one of m, other"),
        ({"status": 404}, "m", "ok", "answers, and lists no models"),
        ({"content": b"<html>"}, "m", "ok", "answers, and lists no models"),
        ({"status": 401, "content": b'{"error": {"message": "wrong key %s"}}' % fake_llm.KEY.encode()}, "m", "MISSING", "refuses the key in OPENAI_API_KEY (401): wrong key [key]"),
        ({"status": 500}, "m", "MISSING", "answers 500"),
    ],
)  # fmt: skip
def test_the_chat_server_is_asked_for_its_models(said, monkeypatch, server, answer, model, state, words):
    monkeypatch.setenv("OPENAI_API_KEY", fake_llm.KEY)
    code, lines, _ = said(ASKING.format(url=server(**answer) + "/v1").replace("model: m", f"model: {model}"))
    assert lines["chat server"][0] == state and words in lines["chat server"][1] and fake_llm.KEY not in str(lines)
    assert code == int(state == "MISSING")


def test_a_chat_server_that_is_not_there_or_silent(monkeypatch, server):
    monkeypatch.setenv("OPENAI_API_KEY", fake_llm.KEY)
    with pytest.raises(UserError, match=r"^http://127.0.0.1:9/v1: cannot be reached \("):
        client.models_of({"base_url": "http://127.0.0.1:9/v1"}, 1.0)
    with pytest.raises(UserError, match="no answer within 0.2 seconds; is llm.base_url right"):
        client.models_of({"base_url": server(seconds=60.0)}, 0.2)


def test_what_torch_is_asked(monkeypatch, capsys):
    """As the program that `doctor` starts, here in a process that has torch already."""
    import torch

    monkeypatch.undo()
    exec(doctor.TORCH, {})
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == torch.__version__ and facts["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert len(facts["gpus"]) == torch.cuda.device_count() and set(facts["bf16"]) >= {"cpu"}
