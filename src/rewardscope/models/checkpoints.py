"""Checkpoints that others made, from the hub or a folder: checked, loaded in float32, and saved as ours, in their own files where these will do."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from rewardscope.checksums import checksum
from rewardscope.data import hub
from rewardscope.errors import UserError, brief
from rewardscope.files import Twice, link, once
from rewardscope.models import adapters, agreement, models, weights
from rewardscope.models.trial import fails, trial
from rewardscope.run.job import log

DESCRIPTION = ["*.json", "*.txt", "*.model", "*.jinja"]  # small: read before the weights are downloaded
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"  # where there is the first, no loader looks at the second
RARE = "\N{SNOWMAN}\U000f0000"  # in hardly any vocabulary
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
CONVERT = (
    "convert them where you trust them: {auto}.from_pretrained(folder).save_pretrained(new) and "
    "AutoTokenizer.from_pretrained(folder).save_pretrained(new), then name the folder new"
)
DEQUANTISE = (  # tried with bitsandbytes 0.50.2, 4 and 8 bit; in the original format transformers would quantise again, which it cannot
    'python -c "from transformers import {auto} as M, AutoTokenizer as T; '
    "M.from_pretrained('{name}').dequantize().save_pretrained('new', save_original_format=False); "
    "T.from_pretrained('{name}').save_pretrained('new')\""
)


class Kind(NamedTuple):
    """What a checkpoint must be."""

    name: str
    auto: type
    classes: dict[str, str]  # model type -> class
    instead: str  # what to do with another kind


LANGUAGE_MODEL = Kind("a causal language model", AutoModelForCausalLM, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, "use a decoder-only one")
CLASSIFIER = Kind(
    "a sequence classifier",
    AutoModelForSequenceClassification,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "use a checkpoint that was trained to classify texts",
)


class Base(NamedTuple):
    """The base model of a pair, for an adapter in the tuned checkpoint's place."""

    folder: str | Path
    source: dict  # its source.json


def fetch(entry: dict, folder: str | Path, record: str | Path | None = None, base: Base | None = None, asks: dict | None = None) -> dict:
    """Save the language model of an entry (`hub:` and `revision:`, or `path:`) in `folder`; returns its `source.json`.

    `record` is an earlier source.json: another commit of the same hub id and revision is refused. So is, as a
    UserError of one line, what is not a causal language model in safetensors with a tokenizer that fits it. Where there is a
    `base`, the entry may be an adapter: saved is what it makes of that; and what is saved shares the base's vocabulary and tokenizer.
    `asks`: what will be asked of it (`Config.asks`), for `trial`.
    """
    name = entry.get("path") or entry["hub"]
    model, tokenizer, source, files = read(entry, LANGUAGE_MODEL, record, base)
    _causal(name, model, tokenizer)
    if asks:
        trial(name, model, **asks)
    if base:
        tokenizer, changed = agreement.adapt(name, model, tokenizer, base.folder)
        files = [] if changed else files
    model.generation_config = GenerationConfig.from_model_config(model.config)  # its makers' sampling would reach PPO
    _save(name, model, files, Path(folder))
    tokenizer.save_pretrained(folder)
    return source


def _save(name: str, model: PreTrainedModel, files: list[Path], folder: Path) -> None:
    """The model in `folder`: by links to its own `files` where they hold what transformers would write, else written in float32."""
    if files and _as_written(model, files):
        model.config.dtype = AutoConfig.from_pretrained(files[0].parent, trust_remote_code=False, local_files_only=True).dtype
        model.config.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
        for file in [*files, *([files[0].with_name(INDEX)] if files[0].name != WEIGHTS else [])]:
            link(file.resolve(), folder / file.name)  # the hub's cache holds links itself
    elif weights.stay(model):  # transformers could, file by file, but not change them
        raise UserError(
            f"{name}: its weights would have to be written anew (other names, tensors or rows of the vocabulary than transformers writes for the "
            f"base), and memory has no room for them; {CONVERT.format(auto='AutoModelForCausalLM')}, on a machine with more memory"
        )
    else:
        model.save_pretrained(folder)


def _as_written(model: PreTrainedModel, files: list[Path]) -> bool:
    """Whether the files' tensors have the names that transformers gives them, each tied one under one name alone."""
    state = {key: tensor.to("meta") for key, tensor in model.state_dict().items() if key not in model.all_tied_weights_keys}
    return sorted(key for file in files for key in weights.names(file)) == sorted(revert_weight_conversion(model, state))


class Found(NamedTuple):
    """A checkpoint: the model (float32, evaluation mode), its tokenizer, its `source.json` and, of no adapter, its weight files."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: dict
    files: list[Path]


def read(entry: dict, kind: Kind, record: str | Path | None = None, base: Base | None = None) -> Found:
    """The checkpoint of an entry; what is not of its kind is refused as by `fetch`."""
    if entry.get("path"):
        name, here = entry["path"], Path(entry["path"])
        source: dict = {"path": entry["path"]}
        if not here.is_dir():
            raise UserError(f"{name}: there is no such folder; paths are relative to {Path.cwd()}")
        adapter = _describe(name, here, kind, base)
    else:
        name = entry["hub"]
        here, commit = hub.snapshot(name, entry.get("revision"), "model", DESCRIPTION, skip=["*/*"])
        source = {"hub": name, "revision": entry.get("revision"), "commit": commit}
        hub.unchanged(source, "model", record)
        adapter = _describe(name, here, kind, base)
        here, _ = hub.snapshot(name, commit, "model", [*DESCRIPTION, "*.safetensors"], skip=["*/*"])
    files: list[Path] = []
    if adapter:
        model, facts = adapters.merge(name, here, adapter, base.folder)
        source |= {"base": base.source}
        tokenizer = _tokenizer(name, here if any((here / file).is_file() for file in VOCABULARIES) else Path(base.folder))
    else:
        files = _weights(name, here, kind)
        model, tokenizer = _load(name, here, files, kind)
        facts = {"architecture": type(model).__name__, "sha256": {file.name: checksum(file) for file in files}}
    rows, tokens = model.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values()) + 1
    if tokens > rows:
        raise UserError(f"{name}: the tokenizer has {tokens} tokens, the embedding {rows} rows; they are not of one model")
    return Found(model, tokenizer, {**source, **facts}, files)


def _describe(name: str, here: Path, kind: Kind, base: Base | None) -> dict | None:
    """Refuse from the small files alone what can be refused; of an adapter to the base model its config."""
    if base and adapters.is_adapter(here):
        config = _json(name, here / adapters.CONFIG)
        adapters.check(name, config, base.source)
        return config
    if not (here / "config.json").is_file():
        adapter = (here / adapters.CONFIG).is_file()
        hint = "it is an adapter: name its model here, and the adapter as rlhf: of a pair" if adapter else "name the folder of a Hugging Face model"
        raise UserError(f"{name}: no config.json; {hint}")
    if (here / adapters.CONFIG).is_file():  # peft is installed: transformers would add it to the weights
        raise UserError(f"{name}: an adapter lies beside the model (adapter_config.json); merge it into the model, or move it away")
    for file in (here / "config.json", here / "tokenizer_config.json"):
        content = _json(name, file) if file.is_file() else {}
        if "transformers_weights" in content:
            raise UserError(f"{name}: {file.name} names weights of its own (transformers_weights); name them {WEIGHTS} and remove that key")
        if "auto_map" in content:
            raise UserError(f"{name}: {file.name} asks for code of its own (auto_map), which is never run; use a checkpoint without it")
        if "quantization_config" in content:
            recipe = DEQUANTISE.format(auto=kind.auto.__name__, name=name)
            raise UserError(
                f"{name}: its weights are quantised; name the checkpoint that they were made from or, for weights by bitsandbytes and where that "
                f"is installed, the folder new of: {recipe}"
            )
    try:
        config = AutoConfig.from_pretrained(here, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # each architecture checks its own
        raise UserError(f"{name}: config.json cannot be used ({brief(error)})") from error
    ours, theirs = kind.classes.get(config.model_type), config.architectures
    two_parts = config.is_encoder_decoder and kind is LANGUAGE_MODEL
    if two_parts or not ours or (theirs and ours not in theirs):
        architecture = "an encoder-decoder" if two_parts else f"a {(theirs or [config.model_type])[0]}"
        raise UserError(f"{name}: it is {architecture}, not {kind.name}" + (f" ({ours})" if ours else "") + f"; {kind.instead}")
    if not any((here / file).is_file() for file in VOCABULARIES):
        raise UserError(f"{name}: no tokenizer (one of {', '.join(VOCABULARIES)}); save the model's tokenizer beside it")
    return None


def _json(name: str, file: Path) -> dict:
    """A JSON map, each key given once; what it is not is refused by its name."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)
    except Twice as error:
        raise UserError(f"{name}: {file.name}: {brief(error)}") from error
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else brief(error)
        raise UserError(f"{name}: {file.name} is not JSON ({why}); copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{name}: {file.name} holds no map; copy it again")
    return content


def _weights(name: str, here: Path, kind: Kind) -> list[Path]:
    """The files that the loader will open, by the rule that it finds them by, each of them safetensors and whole."""
    if not list(here.glob("*.safetensors")):
        convert = CONVERT.format(auto=kind.auto.__name__)
        raise UserError(f"{name}: no *.safetensors; pickled weights (.bin, .pt) can run code and are not loaded: {convert}")
    files = [here / file for file in ([WEIGHTS] if (here / WEIGHTS).is_file() else _shards(name, here))]
    for file in files:
        try:
            with safe_open(file, "pt"):
                pass
        except Exception as error:  # SafetensorError has no base but this
            raise UserError(f"{name}: {file.name} cannot be read ({brief(error)}); it may be cut short: copy it again") from error
    return files


def _shards(name: str, here: Path) -> list[str]:
    """The files that the index names. Those of another kind a loader would unpickle, and those elsewhere nobody would have hashed."""
    if not (here / INDEX).is_file():
        raise UserError(f"{name}: neither {WEIGHTS} nor {INDEX}, by which weights are found; give them the name {WEIGHTS}")
    places = _json(name, here / INDEX).get("weight_map")
    if not (isinstance(places, dict) and places and all(isinstance(file, str) for file in places.values())):
        raise UserError(f"{name}: {INDEX} has no weight_map from tensors to files; copy it again")
    for tensor, file in places.items():
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise UserError(f"{name}: {INDEX} has {tensor} in {file!r}; weights are read only from *.safetensors in the folder itself")
    return sorted(set(places.values()))


def _load(name: str, here: Path, files: list[Path], kind: Kind) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    place = weights.placed(here, torch.float32, "cpu") if kind is LANGUAGE_MODEL else {}
    try:
        model, report = kind.auto.from_pretrained(
            here, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True, output_loading_info=True, **place
        )
    except Exception as error:  # each architecture has its own
        raise UserError(f"{name}: the weights cannot be loaded ({brief(error)})") from error
    if lost := sorted(report["missing_keys"]):  # they would be random
        raise UserError(f"{name}: {len(lost)} tensors of {type(model).__name__} are not in its weights, {lost[0]} first; use a whole checkpoint")
    if more := sorted(report["unexpected_keys"]):
        log.warning("%s: %d tensors are no part of the model and are left out, %s first", name, len(more), more[0])
    if broken := [(key, file.name) for file in files for key in weights.names(file) if not weights.read(file, key).isfinite().all()]:
        key, where = broken[0]
        raise UserError(
            f"{name}: {len(broken)} tensors hold numbers that are not finite, {key} in {where} first; the checkpoint is damaged: use another"
        )
    return model.eval(), _tokenizer(name, here)


def _tokenizer(name: str, here: Path) -> PreTrainedTokenizerBase:
    try:
        return models.load_tokenizer(here)
    except Exception as error:  # the tokenizers library raises Exception
        raise UserError(f"{name}: its tokenizer cannot be loaded ({brief(error)})") from error


def _tokens(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Every text becomes tokens that have a place in it; what other rules do without a special token is said here, at the start."""
    if not tokenizer.is_fast:
        raise UserError(f"{name}: its tokenizer has no fast form (tokenizer.json), which tells where in a text a token stands")
    try:
        tokenizer([RARE], return_offsets_mapping=True, truncation=True, max_length=8)
    except Exception as error:  # the tokenizers library raises Exception
        raise UserError(f"{name}: its tokenizer fails on a character that it does not know ({brief(error)}); give it an unk_token") from error
    if tokenizer.eos_token_id is None:
        between = "nothing" if tokenizer.bos_token_id is None else f"its BOS {tokenizer.bos_token}"
        log.warning("%s: its tokenizer has no EOS token: no completion ends early, and %s stands between documents in the perplexity", name, between)


@torch.no_grad()
def _causal(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tokens have a place in the text, and no token changes the logits before it."""
    rows = model.get_input_embeddings().num_embeddings
    _tokens(name, tokenizer)
    ids = torch.linspace(0, rows - 1, 8).long()[None]  # tokens from all over the vocabulary
    other = torch.cat([ids[:, :4], (ids[:, 4:] + 1) % rows], dim=1)
    try:
        before, after = (model(input_ids=text, use_cache=False).logits[0, :4] for text in (ids, other))
    except Exception as error:  # each architecture has its own
        raise fails(name, model, error) from error
    if not torch.allclose(before, after, rtol=0, atol=1e-5 * before.abs().max().item()):  # a mask is exact, kernels nearly
        raise UserError(f"{name}: a later token changes what {type(model).__name__} says before it, so it is no causal language model")


def save(model, tokenizer, folder: Path) -> None:
    """Write a Hugging Face folder: safetensors, config and tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_source(source: dict, file: Path) -> None:
    """Write `source.json`: where the model is from."""
    file.write_text(json.dumps(source, indent=1, sort_keys=True) + "\n")
