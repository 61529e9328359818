"""SAELens' form without SAELens: its formula by hand. benchmarks/saelens_form.py asks SAELens itself."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import tensor

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.export.saelens import HOOKS, load_sae, save_saelens, to_saelens

X = tensor([[1.0, 2.0], [-1.0, 0.5]])
TIED = {"w_enc": tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]]), "b_enc": tensor([0.5, -1.0, 0.25]), "b_dec": tensor([0.1, -0.2])}
# x W_enc^T + b_enc: [1.5, 1.2, -1.75] and [-0.5, -1.2, -0.25]; decoded: 1.5 (1, 0) + 1.2 (.6, .8) + b_dec, and b_dec alone
FEATURES, DECODED = tensor([[1.5, 1.2, 0.0], [0.0, 0.0, 0.0]]), tensor([[2.32, 0.76], [0.1, -0.2]])
W_DEC = tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
CFG = {
    "architecture": "standard",
    "d_in": 2,
    "d_sae": 3,
    "dtype": "float32",
    "apply_b_dec_to_input": False,
    "metadata": {"sae_lens_version": "6.1.0"},
}
THEIRS = {"W_enc": TIED["w_enc"].T.contiguous(), "b_enc": TIED["b_enc"], "W_dec": W_DEC, "b_dec": TIED["b_dec"]}


def ours(folder: Path, **more: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(TIED | more, folder / "sae.safetensors")
    (folder / "cfg.json").write_text('{"width": 3}')
    checksums.write(folder)
    return folder


def theirs(folder: Path, tensors: dict | None = None, **cfg: object) -> Path:
    folder.mkdir()
    save_file(THEIRS | (tensors or {}), folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(CFG | cfg))
    return folder


def computed(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and reconstructions as SAELens' StandardSAE computes them from its files."""
    cfg, t = json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")
    assert cfg["architecture"] == "standard" and cfg["normalize_activations"] == cfg["reshape_activations"] == "none" and cfg["dtype"] == "float32"
    assert (cfg["d_in"], cfg["d_sae"]) == t["W_enc"].shape == t["W_dec"].T.shape
    f = torch.relu((x - t["b_dec"] * cfg["apply_b_dec_to_input"]) @ t["W_enc"] + t["b_enc"])
    return f, f @ t["W_dec"] + t["b_dec"]


def test_a_tied_one_by_hand(tmp_path):
    sae = load_sae(ours(tmp_path / "sae", fires=tensor([5, 0, 7])))
    assert torch.allclose(sae.encode(X), FEATURES) and torch.allclose(sae.decode(FEATURES), DECODED)
    assert torch.equal(sae.rows, TIED["w_enc"]) and sae.fires.tolist() == [5, 0, 7] and sae.cfg == {"width": 3}
    save_saelens(sae, tmp_path / "out", model_name="tiny", hook_name=HOOKS["mlp"].format(3))
    f, decoded = computed(tmp_path / "out", X)
    assert torch.allclose(f, FEATURES) and torch.allclose(decoded, DECODED)
    metadata = json.loads((tmp_path / "out/cfg.json").read_text())["metadata"]
    assert metadata == {"sae_lens_version": "6.0.0", "tied": True, "model_name": "tiny", "hook_name": "blocks.3.hook_mlp_out"}


def test_an_untied_one_by_hand(tmp_path):
    sae = load_sae(ours(tmp_path / "sae", w_dec=W_DEC))
    save_saelens(sae, tmp_path / "out")
    right = tensor([[1.3, 1.3], [0.1, -0.2]])  # 1.5 (0, 1) + 1.2 (1, 0) + b_dec
    for f, decoded in (computed(tmp_path / "out", X), (sae.encode(X), sae.decode(sae.encode(X)))):
        assert torch.allclose(f, FEATURES) and torch.allclose(decoded, right)
    assert not to_saelens(sae)[0]["metadata"]["tied"]


def test_a_scale_of_the_activations_is_undone(tmp_path):
    """It was trained on 4 x: at x / 4 the features are those of x, and the reconstruction a fourth."""
    sae = load_sae(ours(tmp_path / "sae", scale=tensor(4.0)) / "sae.safetensors")  # a file, as those in `joint/`
    save_saelens(sae, tmp_path / "out")
    for f, decoded in (computed(tmp_path / "out", X / 4), (sae.encode(X / 4), sae.decode(FEATURES))):
        assert torch.allclose(f, FEATURES) and torch.allclose(decoded, DECODED / 4)


def test_any_leading_shape_and_dtype(tmp_path):
    sae = load_sae(ours(tmp_path / "sae"))
    assert torch.equal(sae.encode(X.double()[:, None]), sae.encode(X)[:, None]) and torch.equal(sae.encode(X[0]), sae.encode(X)[0])
    assert sae.encode(X[:0]).shape == (0, 3) and sae.decode(sae.encode(X[:0])).shape == (0, 2)


def test_there_and_back_is_the_same(tmp_path):
    for name, more in (("tied", {}), ("untied", {"w_dec": W_DEC})):
        sae = load_sae(ours(tmp_path / name, **more))
        save_saelens(sae, tmp_path / f"{name}-out")
        back = load_sae(tmp_path / f"{name}-out")
        assert back.sae.tied == sae.sae.tied == (name == "tied") and back.fires is None
        for mine, other in zip(sae.sae.parameters(), back.sae.parameters(), strict=True):
            assert torch.equal(mine, other)


def test_one_that_takes_b_dec_from_its_input(tmp_path):
    """(x - b_dec) W_enc^T + b_enc by hand: [1.4, 1.3, -1.95], [-0.6, -1.1, -0.45]. So it is where the cfg says nothing."""
    for name, cfg in (("said", {"apply_b_dec_to_input": True}), ("unsaid", {"apply_b_dec_to_input": None})):
        folder = theirs(tmp_path / name, **cfg)
        if name == "unsaid":
            (folder / "cfg.json").write_text(json.dumps({"d_in": 2, "d_sae": 3, "activation_fn_str": "relu", "normalize_activations": False}))
        sae = load_sae(folder)
        assert torch.allclose(sae.encode(X), tensor([[1.4, 1.3, 0.0], [0.0, 0.0, 0.0]]), atol=1e-6)
        assert torch.allclose(sae.decode(sae.encode(X)), tensor([[1.4, 1.2], [0.1, -0.2]]), atol=1e-6)


def test_half_precision_is_read_as_float32(tmp_path):
    sae = load_sae(theirs(tmp_path / "half", {name: value.bfloat16() for name, value in THEIRS.items()}, dtype="bfloat16"))
    assert sae.rows.dtype == torch.float32 and sae.encode(X).dtype == torch.float32


REFUSED = [
    ({"architecture": "topk"}, {}, "architecture is topk; only ReLU"),
    ({"activation_fn_str": "tanh-relu"}, {}, "activation_fn is tanh-relu; only ReLU"),
    ({"activation_fn": "topk"}, {}, "activation_fn is topk; only ReLU"),
    ({"normalize_activations": "layer_norm"}, {}, "normalize_activations is layer_norm; only ReLU"),
    ({"reshape_activations": "hook_z"}, {}, "reshape_activations is hook_z; only ReLU"),
    ({}, {"scaling_factor": tensor([1.0, 2.0, 1.0])}, "its features have a scaling_factor"),
    ({}, {"threshold": tensor([1.0])}, "its tensors are {"),
    ({}, {"b_enc": tensor([1.0, 2.0])}, "'b_enc': [2]"),
    ({}, {"W_enc": tensor([1.0])}, "'W_enc': [1]"),
]


@pytest.mark.parametrize(("cfg", "tensors", "problem"), REFUSED, ids=[problem for *_, problem in REFUSED])
def test_another_arithmetic_is_refused(tmp_path, cfg, tensors, problem):
    with pytest.raises(UserError) as error:
        load_sae(theirs(tmp_path / "sae", tensors, **cfg))
    assert problem in str(error.value) and str(error.value).startswith(str(tmp_path / "sae: ")) and "\n" not in str(error.value)


def test_a_scaling_factor_of_ones_says_nothing(tmp_path):
    assert torch.allclose(load_sae(theirs(tmp_path / "sae", {"scaling_factor": torch.ones(3)})).encode(X), FEATURES)


def spoil(folder: Path, file: str, content: bytes) -> Path:
    (folder / file).write_bytes(content)
    return folder


BROKEN = [
    (lambda at: at / "nowhere", "nowhere: no autoencoder; a folder of one holds"),
    (lambda at: spoil(ours(at / "a"), "sae.safetensors", b"x"), "sae.safetensors: damaged"),
    (lambda at: spoil(theirs(at / "b"), "sae_weights.safetensors", b"x"), "sae_weights.safetensors: cannot be read as safetensors"),
    (lambda at: spoil(theirs(at / "c"), "cfg.json", b"{"), "cfg.json: cannot be read as JSON"),
    (lambda at: spoil(theirs(at / "d"), "cfg.json", b"[]"), "cfg.json: holds no map of settings"),
    (lambda at: spoil(theirs(at / "e"), "cfg.json", b'{"d_in": 2, "d_in": 3}'), "cfg.json: cannot be read as JSON .the key d_in is given twice"),
]


@pytest.mark.parametrize(("made", "problem"), BROKEN, ids=[problem for _, problem in BROKEN])
def test_what_is_broken_is_named(tmp_path, made, problem):
    with pytest.raises(UserError, match=problem):
        load_sae(made(tmp_path))


def test_another_library_s_file_of_our_name_is_no_autoencoder_of_ours(tmp_path):
    save_file({"encoder.weight": X}, tmp_path / "sae.safetensors")
    with pytest.raises(UserError, match="no autoencoder of ours: it has no b_dec, b_enc, w_enc"):
        load_sae(tmp_path)


def test_a_threshold_makes_it_a_jumprelu_and_comes_back(tmp_path):
    folder = ours(tmp_path / "sae", threshold=tensor([0.5] * len(load_sae(ours(tmp_path / "plain")).rows)))
    sae = load_sae(folder)
    cfg, tensors = to_saelens(sae)
    assert cfg["architecture"] == "jumprelu" and tensors["threshold"].tolist() == [0.5] * len(sae.rows)
    save_saelens(sae, tmp_path / "out")
    x = 2 * torch.randn(50, sae.rows.shape[1])
    f = load_sae(tmp_path / "out").encode(x)
    torch.testing.assert_close(f, sae.encode(x))
    plain = load_sae(tmp_path / "plain").encode(x)
    torch.testing.assert_close(f, plain * (plain > 0.5))
    assert ((plain > 0) & (f == 0)).any()
