"""`python -m rewardscope init`: a commented config for a pair of checkpoints, in which only what nobody can find out is left to set."""

import re
from collections import Counter
from collections.abc import Container
from math import ceil
from pathlib import Path
from typing import NamedTuple

import yaml
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from rewardscope.config import plan
from rewardscope.config.config import Config, load, tuned_checkpoint
from rewardscope.config.types import unusable
from rewardscope.errors import UserError
from rewardscope.files import whole
from rewardscope.run.budget import gib
from rewardscope.setup import checks, sources
from rewardscope.text import plain
from snakemake_logger_plugin_rewardscope.times import benchmark

DOCUMENTS = 2000  # read at most, as in config/imdb-small.yaml; the paper: 25,000
TOKENS = 256  # of a document at most, as in config.yaml and the authors' code
LONGER = 0.05  # share of documents that may have more tokens than are read
L0, SPARSE = 20, 6  # features active a token, and at most one for so many dimensions: a code of more is no sparse one
GUIDE = "docs/your-own-pair.md"


class Asked(NamedTuple):
    """What the config is for, and what could be found out about it."""

    base: str
    tuned: str
    shape: sources.Checkpoint  # of the base, or of the tuned model where only that could be read
    reward: dict[str, dict]  # name -> entry under `rewards:`, empty where config.yaml has it; without a reward nothing
    documents: sources.Documents | None  # None: config.yaml's corpus
    names: dict[str, str]  # of model, pair and corpus
    notes: list[str]  # what could not be found out, or should be known


def init(base: str | None, tuned: str, reward: str | None, corpus: list[str], text: str | None, to: Path, force: bool) -> str:
    """Write an overlay to `to`; returns what to say of it. Raises UserError, and writes nothing, where the workflow would refuse the config.

    `base` and `tuned`: folders or hub ids; `tuned` may be an adapter, whose base is the one that it names where `base` is None.
    """
    if to.suffix not in (".yaml", ".yml"):
        raise UserError(f"{to}: a config is a .yaml file; give --to such a name")
    if to.exists() and not force:
        raise UserError(f"{to} is there already; give another name with --to, or --force to write over it")
    given = checks.merged([])
    asked = _asked(given, base, tuned, reward, corpus, text)
    results = f"results/{_name(to.stem, ())}"
    with whole(to) as file:
        file.write_text(_text(asked, load(given), results, []), encoding="utf-8")
        costs = _costs(checks.read([file]))
        file.write_text(_text(asked, load(given), results, costs), encoding="utf-8")
        checks.read([file])
    run = "snakemake --cores all {}--configfile {}".format
    steps = {
        f"python -m rewardscope doctor --configfile {to}": "what is missing here",
        run(f"{results}/tables/findings.csv ", to): f"to the first finding ({GUIDE})",
        run("", to): "everything",
    }
    return plain("\n".join([f"{to} is written.", *asked.notes, *costs, *(f"{note}:\n    {command}" for command, note in steps.items())]), keep="\n")


def _asked(given: dict, base: str | None, tuned: str, reward: str | None, corpus: list[str], text: str | None) -> Asked:
    """What was asked for and what there is to know of it; `given`: config.yaml."""
    base, shape, notes = _models(base, tuned)
    documents = None
    if corpus:
        try:
            documents = sources.corpus(corpus, text)
        except UserError as error:
            if not _unseen(corpus[0], error):
                raise
            at = tuned_checkpoint(corpus[0])
            name = {"name": at["hub"]} | ({"revision": at["revision"]} if at["revision"] else {})
            documents = sources.Documents({"hub": name, "text": text or "text"}, {}, [])
            notes.append(f"{corpus[0]} could not be looked at ({error}): the column of its texts is taken to be {text or 'text'}.")
    else:
        notes.append("No --corpus: the embedded film reviews are read. Documents like those that the pair was tuned on tell more.")
    names = {
        "model": _name(_last(base), given["models"]),
        "pair": _name(_last(tuned), given["rewards"]),
        "corpus": _name(Path(_last(corpus[-1])).stem, given["corpora"]) if corpus else next(iter(given["corpora"])),
    }
    return Asked(base, tuned, shape, _reward(reward, given["rewards"]), documents, names, notes)


def _models(base: str | None, tuned: str) -> tuple[str, sources.Checkpoint, list[str]]:
    """The base's name, the shape of both models, and notes. Raises UserError where they cannot be of one shape, or neither can be read."""
    variant, unseen = _look(tuned)
    notes = [f"{tuned} could not be looked at ({unseen}): it must have the base's shape."] if unseen else []
    adapter = variant is not None and not variant.kind
    if base is None and not (adapter and variant.base):
        raise UserError(
            f"{tuned}: " + ("its adapter_config.json names no base; give --base" if adapter else "--base is needed: only an adapter names its base")
        )
    if base and adapter and variant.base not in (None, base):
        notes.append(f"{tuned} says that it was trained on {variant.base}: {base} must be that model.")
    try:
        model, unseen = _look(base or variant.base)
    except UserError as error:
        if base:
            raise
        raise UserError(f"{tuned}: of the base that its adapter_config.json names: {error}; give --base") from error
    base = base or variant.base
    if model and not model.kind:
        raise UserError(f"{base}: it is an adapter; --base takes the model that adapters are trained on")
    if unseen and (adapter or variant is None):
        raise UserError(f"{base}: its config.json, which tells the width, cannot be read: {unseen}")
    if unseen:
        notes.append(f"{base} could not be looked at ({unseen}): its shape is taken to be that of {tuned}.")
    if model and variant and variant.kind and (model.kind, model.d_model, model.layers) != (variant.kind, variant.d_model, variant.layers):
        raise UserError(f"{tuned} is no tuned variant of {base}: it is {_shaped(variant)}, and the base {_shaped(model)}")
    return base, model or variant, notes


def _look(name: str) -> tuple[sources.Checkpoint | None, str]:
    """What a checkpoint is, or why the hub could not be asked."""
    try:
        return sources.checkpoint(name), ""
    except UserError as error:
        if not _unseen(name, error):
            raise
        return None, str(error)


def _unseen(name: str, error: UserError) -> bool:
    """Whether what has the form of a hub id is only out of reach: the hub has not said that there is no such thing."""
    absent = isinstance(error.__cause__, RepositoryNotFoundError | RevisionNotFoundError)
    return "hub" in tuned_checkpoint(name) and error.__cause__ is not None and not absent


def _shaped(shape: sources.Checkpoint) -> str:
    return f"{shape.kind} with {shape.layers} layers of d_model {shape.d_model}"


def _reward(reward: str | None, known: dict) -> dict[str, dict]:
    """The reward's name and its entry under `rewards:`, which is empty where config.yaml has one like it."""
    if reward is None:
        return {}
    path, _, function = reward.rpartition(":")
    entry = {"function": reward} if path.endswith(".py") else {"words": reward} if reward == "vader" or reward.endswith(".csv") else None
    if entry is None:
        raise UserError(f"--reward is {reward}; it must be vader, a .csv of the columns word,utility, or file.py:function")
    same = next((name for name, other in known.items() if other == entry), None)
    return {same: {}} if same else {_name(function if "function" in entry else Path(reward).stem, known): entry}


def _last(name: str) -> str:
    """The last part of a path or hub id, without a revision."""
    entry = tuned_checkpoint(name)
    return entry["hub"].split("/")[-1] if "hub" in entry else Path(name).resolve().name


def _name(text: str, taken: Container[str]) -> str:
    """A name that the config takes, made of a text, other than those that are taken: an entry of that name would be merged with theirs."""
    name = re.sub(r"(?:[^A-Za-z0-9._-]|\.\.)+", "-", text).strip(".-_")[:50]
    name = "mine" if unusable(name) else name
    while name in taken:
        name += "-mine"
    return name


def _costs(config: Config) -> list[str]:
    """Disk by the plan; time where an earlier run has left its benchmark files, and nowhere else."""
    total, largest = plan.room(config)
    kept = "kept" if config.activations.keep else "deleted once used"
    seconds: Counter[str] = Counter()
    folder = Path(config.results) / "benchmarks"
    for file in folder.rglob("*.tsv"):
        if took := benchmark(file):
            seconds[file.relative_to(folder).parts[0].removesuffix(".tsv")] += took[0]
    longest = ", ".join(f"{rule} {spent / 60:.1f}" for rule, spent in seconds.most_common(3))
    time = f"Time: an earlier run took {seconds.total() / 60:.1f} min, jobs added up ({longest})." if seconds else "Time: known after a first run."
    return [f"Disk: activations take at most {gib(total)}, {gib(largest)} a side, {kept}.", time]


def _text(asked: Asked, default: Config, results: str, costs: list[str]) -> str:
    """The overlay. `default`: config.yaml."""
    head = [f"{asked.tuned} beside its base {asked.base}. What each line decides: {GUIDE}.", *asked.notes, *costs]
    lines = [*(f"# {line}" for line in head), f"results: {_value(results)}", *_pair(asked), *_model(asked)]
    reward = {name: entry for name, entry in asked.reward.items() if entry}
    lines += [f"rewards: {_value(reward)}"] if reward else []
    lines += [*_corpus(asked), *_reading(asked, default)]
    return "\n".join(map(plain, lines)) + "\n"


def _value(value: object) -> str:
    """A value as YAML on one line; letters that a page may not show (`plain`) are written as their numbers, for a dot would be another name."""
    dumped = (yaml.safe_dump(value, default_flow_style=True, allow_unicode=letters, sort_keys=False, width=2**31) for letters in (True, False))
    return next((text for text in dumped if plain(text, keep="\n") == text), "").removesuffix("...\n").strip()


def _pair(asked: Asked) -> list[str]:
    names = asked.names
    what = {"reward": next(iter(asked.reward))} if asked.reward else {"name": names["pair"]}
    comment = "the reward measures; nothing is tuned here" if asked.reward else "no reward: two checkpoints alone"
    return ["pairs:", f"  - {_value({'model': names['model'], **what, 'corpus': names['corpus'], 'rlhf': asked.tuned})}  # {comment}"]


def _model(asked: Asked) -> list[str]:
    shape = asked.shape
    at = {key: value for key, value in tuned_checkpoint(asked.base).items() if value}
    context = f"reads at most {shape.context} tokens" if shape.context else "its config names no longest sequence"
    return [
        "models:",
        f"  {_value(asked.names['model'])}:",
        *(f"    {key}: {_value(value)}" for key, value in at.items()),
        f"    # {_shaped(shape)}; {context}",
        "    sae:",
        f"      widths: [{shape.d_model}, {2 * shape.d_model}]  # d_model and twice that, as in the paper's Table 2",
        f"      l0: {max(2, min(L0, shape.d_model // SPARSE))}  # features active a token; the L1 coefficient for it is found for each layer",
    ]


def _corpus(asked: Asked) -> list[str]:
    if asked.documents is None:
        return []
    entry, counts = dict(asked.documents.entry), asked.documents.counts
    lines = ["corpora:", f"  {_value(asked.names['corpus'])}:"]
    for key in ("path", "hub"):
        once = (
            "  # one file is both: no model learns from train documents here"
            if key in entry and len(set(entry[key].values())) < len(entry[key])
            else ""
        )
        lines += [f"    {key}: {_value(entry[key])}{once}"] if key in entry else []
    lines += [f"    {key}: {_value(entry[key])}" for key in ("text", "label") if entry.get(key, key) != key]
    most = {part: min(counts.get(part, DOCUMENTS), DOCUMENTS) for part in ("train", "test")}
    of = f"of {counts['test']:,}; " if counts else ""
    return [*lines, f"    max_documents: {_value(most)}  # {of}more make better dictionaries (the paper: 25,000)"]


def _reading(asked: Asked, default: Config) -> list[str]:
    """Layers and lengths."""
    shape, limit = asked.shape, asked.shape.context or TOKENS
    tokens, why = min(TOKENS, limit), "as many as config.yaml reads, or the context allows"
    if asked.documents and asked.documents.texts:
        counts, counted = sources.lengths(shape.folder, asked.documents.texts)
        enough = sorted(counts)[ceil((1 - LONGER) * len(counts)) - 1]
        tokens = max(2, min(tokens, ceil(enough / 8) * 8))
        longer = sum(count > tokens for count in counts)
        why = f"{longer} of {len(counts)} documents have more" + ("" if counted else f", at {sources.CHARACTERS} characters a token")
    lines = [
        f"picks: {{top: 1}}  # of {shape.layers} layers the most divergent; each one more takes as much disk and time again (the paper: 5)",
        f"activations: {{tokens: {tokens}}}  # read of a document: {why}",
    ]
    for section in ("completions", "findings", "causes"):
        settings = dict(default)[section]
        if settings.prefix + settings.new > limit:
            prefix = min(settings.prefix, limit // 2)
            lines.append(f"{section}: {{prefix: {prefix}, new: {min(settings.new, limit - prefix)}}}  # within the context")
    return lines
