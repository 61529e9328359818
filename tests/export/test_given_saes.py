"""Dictionaries that were trained elsewhere as a place's: the rule's script on folders in SAELens' form, and what a run of them plans."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from workflow_runs import ROOT, SMALL, planned

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.errors import UserError
from rewardscope.export.saelens import from_elsewhere
from rewardscope.sae.match import load
from rewardscope.sae.model import from_tensors

D, HELD = 6, 300


class Named(SimpleNamespace):
    get = lambda self, key, default=None: getattr(self, key, default)


def folder_of(folder: Path, width: int, architecture: str = "standard", d: int = D, **more: object) -> Path:
    """A dictionary as SAELens stores it, with decoder rows of norms from 0.5 to 2."""
    draw = lambda *shape: torch.randn(*shape, generator=torch.Generator().manual_seed(width + len(shape)))
    rows = torch.nn.functional.normalize(draw(width, d), dim=1) * torch.linspace(0.5, 2, width)[:, None]
    tensors = {"W_enc": draw(d, width), "b_enc": 0.1 * draw(width), "W_dec": rows, "b_dec": 0.1 * draw(d)}
    tensors |= {"threshold": torch.linspace(0, 1, width)} if architecture == "jumprelu" else {}
    folder.mkdir()
    save_file(tensors, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps({"architecture": architecture, "d_in": d, "d_sae": width, "apply_b_dec_to_input": True, **more}))
    return folder


def theirs(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and reconstructions by SAELens' formula, from its files."""
    t = load_file(folder / "sae_weights.safetensors")
    f = torch.relu((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"])
    f = f * (f > t.get("threshold", torch.zeros(1)))
    return f, f @ t["W_dec"] + t["b_dec"]


@pytest.fixture
def activations(tmp_path):
    """Shards of a layer, and its held rows."""
    writer, rows = shards.Writer(tmp_path / "layer1/part0", 100), torch.randn(200 + HELD, D, generator=torch.Generator().manual_seed(1))
    for part, x in (("fit", rows[:200]), ("held", rows[200:])):
        writer.add(x, part)
        writer.flush(part)
    writer.close()
    return tmp_path / "layer1/part0", rows[200:]


def run(given: Path, width: int, part: Path, out: Path, monkeypatch) -> Path:
    """The script, as the rule runs it but for the log and the record of a job."""
    monkeypatch.setattr("rewardscope.run.job.start", lambda snakemake: None)
    out.mkdir()
    names = {"sae": "sae.safetensors", "cfg": "cfg.json", "training": "training.parquet", "metrics": "metrics.json", "checksums": "checksums.json"}
    job = SimpleNamespace(
        input=Named(files=[str(given / "cfg.json"), str(given / "sae_weights.safetensors")], shards=[str(part)]),
        output=Named(**{key: str(out / name) for key, name in names.items()}),
        params=Named(device="cpu", side="rlhf"),
        wildcards=Named(site="pairs/tiny/utility/run1/rlhf", recipe="theirs", pick="layer1", width=str(width)),
        resources={},
        rule="given_saes",
        log=["results/logs/given_saes/x.log"],
        config={},
    )
    monkeypatch.setattr("rewardscope.run.job.work", lambda *_: out / "nothing")
    runpy.run_path(str(ROOT / "workflow/scripts/given_saes.py"), init_globals={"snakemake": job})
    return out


@pytest.mark.parametrize("architecture", ["standard", "jumprelu"])
def test_the_place_s_dictionary_computes_what_the_given_one_does(activations, tmp_path, monkeypatch, capsys, architecture):
    part, held = activations
    given = folder_of(tmp_path / "given", 8, architecture)
    made = run(given, 8, part, tmp_path / "made", monkeypatch)
    f, decoded = theirs(given, held)
    norms = load_file(given / "sae_weights.safetensors")["W_dec"].norm(dim=1)
    sae = from_tensors(load_file(made / "sae.safetensors"))
    ours = sae.encode(held[None])
    torch.testing.assert_close(ours[0], f * norms)  # rows of unit norm: the features carry theirs
    torch.testing.assert_close(sae.decode(ours)[0], decoded)
    torch.testing.assert_close(sae.w_dec[0].norm(dim=1), torch.ones(8))
    rows, alive = load(made, 1)  # as the rule `features` reads it
    assert alive.tolist() == ((f > 0).sum(0) >= 1).tolist() and rows.shape == (8, D)
    metrics, cfg = (json.loads((made / f"{name}.json").read_text()) for name in ("metrics", "cfg"))
    assert metrics["tokens"] == HELD and metrics["l0"] == pytest.approx((f > 0).float().sum(1).mean().item())
    assert metrics["fvu"] == pytest.approx(((decoded - held).square().sum() / (held - held.mean(0)).square().sum()).item(), rel=1e-5)
    assert cfg == {"d_model": D, "width": 8, "side": "rlhf", "pick": "layer1", "tied": False, "l1": None, "given": str(given)}
    assert len(pd.read_parquet(made / "training.parquet")) == 0
    assert f"{given} reconstructs held tokens worse than their mean does (FVU {metrics['fvu']:.3g})" in capsys.readouterr().err
    assert set(checksums.recorded(made)) == {"sae.safetensors", "cfg.json", "training.parquet", "metrics.json"}


def test_rows_of_unit_norm_stay_as_they_are(tmp_path):
    given = folder_of(tmp_path / "given", 4)
    tensors = load_file(given / "sae_weights.safetensors")
    unit = torch.nn.functional.normalize(tensors["W_dec"], dim=1)
    unit[3] *= 1 + 5e-4  # of one that was stored in half precision
    save_file(tensors | {"W_dec": unit, "W_enc": unit.T.contiguous()}, given / "sae_weights.safetensors")
    sae = from_elsewhere(given, 4, D)
    assert sae.tied and torch.equal(sae.w_dec[0], unit)
    unit[2] = 0  # a dead row stays one, and makes nothing nan
    unit[1] *= 3
    save_file(tensors | {"W_dec": unit}, given / "sae_weights.safetensors")
    sae = from_elsewhere(given, 4, D)
    assert sae.w_dec[0].norm(dim=1).tolist() == pytest.approx([1, 1, 0, 1]) and sae.w_enc.isfinite().all()


def test_what_does_not_fit_is_a_line(tmp_path):
    given = folder_of(tmp_path / "given", 4)
    with pytest.raises(UserError, match="given: has 4 features of activations of width 6; here they must be 8 and 6"):
        from_elsewhere(given, 8, D)
    with pytest.raises(UserError, match="here they must be 4 and 12"):
        from_elsewhere(given, 4, 2 * D)
    for settings, problem in (
        ({"normalize_activations": "expected_average_only_in"}, "normalize_activations is"),
        ({"architecture": "topk"}, "topk"),
    ):
        (given / "cfg.json").write_text(json.dumps(settings))
        with pytest.raises(UserError, match=problem):  # a scale that was not folded in, k a token
            from_elsewhere(given, 4, D)
    save_file(load_file(given / "sae_weights.safetensors") | {"b_dec": torch.full((D,), float("nan"))}, given / "sae_weights.safetensors")
    (given / "cfg.json").write_text("{}")
    with pytest.raises(UserError, match="weights that are no finite numbers"):
        from_elsewhere(given, 4, D)


@pytest.mark.workflow
def test_a_run_of_them_trains_no_dictionary(served, tmp_path):
    for name, width in (("small", 32), ("large", 64)):
        folder_of(tmp_path / name, width, d=32)
    overlay = {
        "recipe": "theirs", "layers": [1], "sae_seeds": 1, "crosscoder": None,
        "sae_recipes": {"theirs": {"given": {"layer1": {"base": ["small", "large"], "rlhf": ["./small", "large"]}}}},
    }  # fmt: skip
    (tmp_path / "overlay.yaml").write_text(json.dumps(overlay))
    dry = served(tmp_path, "--dry-run", "--configfile", str(SMALL), "overlay.yaml")
    rules = planned(dry)
    assert {"given_saes", "features", "nulls", "findings", "table2", "report"} <= rules
    assert not {"saes", "sparsity", "joint", "crosscoder", "sweeps"} & rules
    assert dry.stdout.count("input: small/cfg.json, small/sae_weights.safetensors") + dry.stderr.count("input: small/cfg.json, small/") >= 2
