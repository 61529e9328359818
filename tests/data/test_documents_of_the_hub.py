"""Documents from the hub: what is read, and every complaint as the line that a user reads."""

import os
import subprocess
import sys

import fake_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_files import entry

from rewardscope.data import documents
from rewardscope.errors import UserError


def dataset(splits=("train", "test", "unsupervised"), card: str = "", start: str = "") -> dict[str, bytes]:
    """The files of a data set like IMDb's: Parquet by split in a folder, a card; a script and a pickle that no one may touch."""
    files = {"README.md": f"---\nlicense: other\n{card}---\n# Reviews\n".encode(), "LICENSE": b"none"}
    for split in splits:
        label = pa.array([i >= 20 for i in range(40)]).cast(pa.int64())
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": [f"{start}{split} {i}<br />" for i in range(40)], "label": label}), sink)
        files[f"plain/{split}-00000-of-00001.parquet"] = sink.getvalue().to_pybytes()
    return {**files, "reviews.py": b"raise SystemExit('a script has run')", "train.pkl": b"cos\nsystem\n(S'touch pickled'\ntR."}


def of_hub(name="org/reviews", revision=None, **keys) -> dict:
    return entry("", **{"hub": {"name": name, "revision": revision}, "path": None, **keys})


def test_hub_cache_without_a_network(tmp_path, monkeypatch):
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.FIRST, dataset())
    fake_hub.connect(monkeypatch, tmp_path)
    parts, source = documents.read(of_hub(strip_breaks=True, max_documents={"train": 30, "test": None}), 1)
    assert source == {"hub": "org/reviews", "revision": None, "commit": fake_hub.FIRST}
    assert set(parts) == {"train", "test"} and [len(part) for part in parts.values()] == [30, 40]
    assert sorted(parts["test"]["text"]) == sorted(f"test {i}" for i in range(40))
    assert all(row.label == (int(row.text.split()[1]) >= 20) for row in parts["train"].itertuples())
    assert parts["train"].dtypes.astype(str).to_dict() == {"text": "str", "label": "int8"}


def test_a_revision_and_a_newer_one(tmp_path, monkeypatch):
    """Each revision is read from its own commit, though another one's data lie in the cache."""
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.FIRST, dataset(), ref="v1")
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.SECOND, dataset(start="new "))
    fake_hub.connect(monkeypatch, tmp_path)
    for revision, commit, start in (("v1", fake_hub.FIRST, "t"), (None, fake_hub.SECOND, "new "), (fake_hub.FIRST, fake_hub.FIRST, "t")):
        parts, source = documents.read(of_hub(revision=revision), 1)
        assert source == {"hub": "org/reviews", "revision": revision, "commit": commit}
        assert all(part["text"].str.startswith(start).all() for part in parts.values())
    said = complaint_of_hub(revision="v3")
    assert said == "dataset org/reviews at v3 is not in the local hub cache, and the hub cannot be reached; name a local copy instead, with path:"


def complaint_of_hub(**keys) -> str:
    with pytest.raises(UserError) as caught:
        documents.read(of_hub(**keys), 1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_download(tmp_path, monkeypatch):
    """From a server: data and card come, scripts and pickles do not; afterwards the cache serves alone."""
    with fake_hub.serve("org/reviews", {"main": fake_hub.FIRST}, {fake_hub.FIRST: dataset()}) as (address, sent):
        fake_hub.connect(monkeypatch, tmp_path, address)
        parts, source = documents.read(of_hub(), 1)
        assert source["commit"] == fake_hub.FIRST and len(parts["train"]) == 40
        assert sorted(sent) == sorted(["README.md", *(path for path in dataset() if path.endswith(".parquet"))])
        assert complaint_of_hub(revision="v9") == "the hub has no dataset org/reviews at v9; set revision to a branch, tag or commit of it"
        said = "the hub shows no dataset org/nothing: check the name; for a private or gated one run `hf auth login`; "
        assert complaint_of_hub(name="org/nothing") == said + "or name a local copy instead, with path:"
    fake_hub.connect(monkeypatch, tmp_path, address)  # the server is gone
    assert documents.read(of_hub(), 1)[0]["train"].equals(parts["train"])


def test_hub_complaints(tmp_path, monkeypatch):
    fake_hub.connect(monkeypatch, tmp_path)
    said = "dataset org/reviews is not in the local hub cache, and the hub cannot be reached; name a local copy instead, with path:"
    assert complaint_of_hub() == said

    def given(name: str, files: dict[str, bytes], **keys) -> str:
        fake_hub.lay_out(tmp_path, "dataset", name, fake_hub.FIRST, files)
        return complaint_of_hub(name=name, **keys)

    said = given("org/one", dataset(("train",)))
    assert said == "data set org/one has no split test, only train; name local files with path: instead"
    said = given("org/two", dataset(), text="review")
    assert said == "data set org/two, split train: no column review; it has text, label: set text to one of them"
    cut = {path: content[:-20] if "train-" in path else content for path, content in dataset().items()}
    assert given("org/three", cut).startswith("data set org/three cannot be read (")
    said = given("org/four", {path: content for path, content in dataset().items() if not path.endswith(".parquet")})
    assert said.startswith("data set org/four cannot be read (") and "script" not in said
    several = "configs:\n- config_name: a\n  data_files: plain/train-*\n- config_name: b\n  data_files: plain/test-*\n"
    assert "Config name is missing" in given("org/five", dataset(card=several))


def test_environment_variables(tmp_path):
    """As a user sets them, in a fresh process; and nothing that was in the repository has run."""
    fake_hub.lay_out(tmp_path / "hub", "dataset", "org/reviews", fake_hub.FIRST, dataset())
    command = f"from rewardscope.data import documents; print(len(documents.read({of_hub()!r}, 1)[0]['test']))"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "40\n", "")
    assert os.listdir(tmp_path) == ["hub"]
