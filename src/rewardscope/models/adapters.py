"""Adapters (LoRA and the other kinds that `peft` merges) as tuned checkpoints: merged into their base model in float32."""

import warnings
from pathlib import Path

import torch
from transformers import PreTrainedModel

from rewardscope.checksums import checksum
from rewardscope.errors import UserError, brief
from rewardscope.models import models, weights
from rewardscope.run.job import log

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
FULL = ("model.safetensors", "model.safetensors.index.json")  # of a model; some trainers write its config.json beside an adapter


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model's weights beside it."""
    return (folder / CONFIG).is_file() and not any((folder / file).is_file() for file in FULL)


def check(name: str, config: dict, source: dict) -> None:
    """Raises UserError where the adapter's own config says that it cannot be merged into the base model of that `source.json`."""
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING  # its import takes a second, which pairs without an adapter are spared

    kind = config.get("peft_type")
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise UserError(f"{name}: peft_type in {CONFIG} is {kind!r}, which peft does not know; use an adapter of a kind that it merges (LORA, ...)")
    made_for, revision = config.get("base_model_name_or_path"), config.get("revision")
    base = source.get("hub") or source.get("path")
    if not made_for or _same(made_for, source):
        if made_for and revision and revision not in (source.get("revision"), source.get("commit")):
            log.warning("%s: made for %s at revision %s, and merged into %s", name, made_for, revision, source.get("commit") or base)
    elif source.get("hub") and not Path(made_for).is_dir():
        raise UserError(
            f"{name}: an adapter of {made_for} (base_model_name_or_path in {CONFIG}), and the pair's base model is {base}; "
            f"name the pair's base model as there, or correct that key where the two are one model"
        )
    else:
        log.warning("%s: made for %s, and merged into %s, which is taken for the same model", name, made_for, base or "the base model trained here")


def _same(made_for: str, source: dict) -> bool:
    return made_for == source.get("hub") or (bool(source.get("path")) and Path(made_for).resolve() == Path(source["path"]).resolve())


def merge(name: str, here: Path, config: dict, base: str | Path) -> tuple[PreTrainedModel, dict]:
    """The base model in a folder with the adapter in `here` merged into it, float32, and what `source.json` says of the adapter.

    Raises UserError where it is pickled, of another base, of a kind that cannot be merged, or brings rows of the vocabulary.
    """
    if not (here / WEIGHTS).is_file():
        hint = "AutoPeftModelForCausalLM.from_pretrained(folder).save_pretrained(new), then name the folder new"
        why = f"pickled weights ({PICKLED}) can run code and are not loaded: convert them where you trust them: {hint}"
        raise UserError(f"{name}: no {WEIGHTS}; {why if (here / PICKLED).is_file() else 'copy it again'}")
    model = models.load(base, whole=True)
    shapes = _shapes(name, here / WEIGHTS)
    _refuse_vocabulary(name, shapes, model)
    kind = config["peft_type"]
    try:
        merged = _merged(name, here, shapes, model)
    except UserError:
        raise
    except NotImplementedError as error:
        raise UserError(f"{name}: peft cannot merge this adapter ({kind}: {brief(error)}); merge or retrain it as another kind") from error
    except Exception as error:  # every kind has its own
        raise UserError(
            f"{name}: the adapter ({kind}) does not fit the base model ({brief(error)}); name the model that it was trained on"
        ) from error
    if broken := [key for key, tensor in merged.state_dict().items() if not tensor.isfinite().all()]:
        raise UserError(f"{name}: merged, {len(broken)} tensors hold numbers that are not finite, {broken[0]} first; the adapter is damaged")
    facts = {key: config.get(key) for key in ("peft_type", "base_model_name_or_path", "revision")}
    return merged, {"adapter": facts, "architecture": type(merged).__name__, "sha256": {WEIGHTS: checksum(here / WEIGHTS)}}


def _shapes(name: str, file: Path) -> dict[str, list[int]]:
    try:
        return weights.header(file)
    except Exception as error:  # SafetensorError has no base but this
        raise UserError(f"{name}: {file.name} cannot be read ({brief(error)}); it may be cut short: copy it again") from error


def _refuse_vocabulary(name: str, shapes: dict[str, list[int]], model: PreTrainedModel) -> None:
    """Whole embeddings with more rows than the base has are of tokens that it cannot read: the two sides would not read the same texts."""
    rows, width = model.get_input_embeddings().weight.shape
    vocabulary = {key for key, module in model.named_modules() if module in (model.get_input_embeddings(), model.get_output_embeddings())}
    for key, shape in shapes.items():
        if len(shape) == 2 and shape[0] > rows and shape[1] == width and any(f".{part}." in key for part in vocabulary):
            raise UserError(
                f"{name}: the adapter adds {shape[0] - rows} tokens to the vocabulary ({key} has {shape[0]} rows, the base model {rows}); "
                "its base reads no such token: use an adapter that was trained without new tokens"
            )


def _merged(name: str, here: Path, shapes: dict[str, list[int]], model: PreTrainedModel) -> PreTrainedModel:
    """By peft; each tensor of the file must have a place, and each place a tensor, else it would stay at its start unseen."""
    from peft import PeftModel, get_peft_model_state_dict

    with warnings.catch_warnings(action="ignore"):  # what it warns of is looked at below
        tuned = PeftModel.from_pretrained(model, str(here), torch_device="cpu")
    if tuned.active_peft_config.is_prompt_learning or not hasattr(tuned, "merge_and_unload"):
        raise NotImplementedError("it changes no weight")
    wanted = get_peft_model_state_dict(tuned, save_embedding_layers=False)
    if missing := sorted(wanted.keys() - shapes.keys()):
        raise UserError(
            f"{name}: {len(missing)} tensors of the adapter are not in {WEIGHTS}, {missing[0]} first; use a whole one, of this base model"
        )
    if more := sorted(shapes.keys() - wanted.keys() - tuned.state_dict().keys()):
        raise UserError(
            f"{name}: {len(more)} tensors of {WEIGHTS} have no place in the base model, {more[0]} first; name the model it was trained on"
        )
    with torch.no_grad():
        return tuned.merge_and_unload(safe_merge=True).eval()
