"""Rule report."""

from rewardscope.run import job

job.start(snakemake)

import os
from functools import cache
from pathlib import Path

import pandas as pd
import yaml

from rewardscope.activations import picks
from rewardscope.files import read_json, whole
from rewardscope.models import models
from rewardscope.report import crosscoder as report_crosscoder
from rewardscope.report import features as report_features
from rewardscope.report import report
from rewardscope.report import sections as report_sections
from rewardscope.report import tables as report_tables
from rewardscope.rewards import utility
from rewardscope.run import lineage
from rewardscope.tables import explained

params, files = snakemake.params, snakemake.input
results = Path(snakemake.output.report).parent
layers = picks.read(params.pairs, files.layers)
words = {pair: utility.load_table(source) for pair, source in params.words.items()}
tables = {os.path.relpath(file, results): report_tables.read_table(file) for file in files.tables}
completions, phrased = {}, {}
written = [list(zip(files[f"{side}_completions"], files[f"{side}_further"], strict=True)) for side in ("base", "rlhf")]
for pair, *sides in zip(params.pairs, *written, strict=bool(written[0])):
    completions[pair] = [pd.read_parquet(table4) for table4, _ in sides]
    phrased[pair] = [pd.concat(map(pd.read_parquet, both)) for both in sides]
comparison = {pair: pd.read_parquet(file) for pair, file in zip(params.browsed, files.comparison, strict=bool(files.comparison))}
over_seeds = {pair: pd.read_parquet(file) for pair, file in zip(params.browsed, files.groups, strict=bool(files.groups))}
changed = {pair: pd.read_parquet(file) for pair, file in zip(params.browsed, files.changes, strict=bool(files.changes))}


@cache
def pieces(corpus: str, folder: str):
    """A corpus' documents as the tokens of a model: pairs share them."""
    return models.pieces(pd.read_parquet(corpus, columns=["text"])["text"], models.load_tokenizer(folder), params.tokens)


tokens, text = {}, {}  # of every pair its documents; of every model the tokens that windows show
for pair, index, corpus, folder in zip(params.browsed, files.tokens, files.corpora, files.models, strict=True):
    shown = text.setdefault(pair.split("/")[1], report_features.Texts())
    tokens[pair] = report_features.Tokens(pd.read_parquet(index, columns=["document", "position", "token"]), shown, pieces(corpus, folder))
nulls = {
    side: dict(zip([(pair, pick) for pick in params.picks for pair in params.browsed], files[f"{side}_nulls"], strict=bool(files[f"{side}_nulls"])))
    for side in ("base", "rlhf")
}
groups = explained.places(params.shown, layers, files.base_explanations, files.rlhf_explanations)
places = {(place["pair"], place["pick"], place["seed"]): place for group in groups.values() for place in group}
features = []
for i, (pair, pick, seed, _) in enumerate(job.progress(params.shown, "places")):
    for side in ("base", "rlhf"):
        matched = pd.read_parquet(files[f"{side}_features"][i])
        fires = pd.read_parquet(files[f"{side}_activations"][i], filters=[("control", "==", False)])
        null = pd.read_parquet(nulls[side][pair, pick]) if nulls[side] else None
        changes = comparison[pair].query("side == @side and pick == @pick and seed == @seed") if comparison else None
        layer = places[pair, pick, seed]["layer"]
        same = over_seeds[pair].query("side == @side and layer == @layer") if over_seeds else None
        scores = {scorer: pd.read_parquet(files[f"{side}_scores"][s * len(params.shown) + i]) for s, scorer in enumerate(params.scorers)}
        told = changed[pair].query("pick == @pick and seed == @seed") if changed and side == "rlhf" else None
        place = places[pair, pick, seed]
        features += report_features.entries(place, side, matched, fires, tokens[pair], null, changes, same, words.get(pair), scores, told)
for (pair, pick), lines, fires in zip(params.crosscoded, files.crosscoder_explanations, files.crosscoder_fires, strict=True):
    place = (pair, layers[pair][pick], read_json(lines), pd.read_parquet(fires))
    features += report_crosscoder.entries(*place, tokens[pair], words.get(pair))

artifacts = [os.path.relpath(file, results) for file in files if file not in params.words.values()]
page = report_sections.page(
    params.pairs, layers, tables, completions, words, features, params.rewards,
    training={pair: pd.read_parquet(file) for pair, file in zip(params.tuned_here, files.training, strict=True)},
    divergence={pair: pd.read_csv(file) for pair, file in zip(params.pairs, files.divergence, strict=True)},
    pictures=files.pictures,
    chain=lineage.trace(Path(results), artifacts, quick=True),
    twins=params.twins,
    prompted=params.prompted,
    missing=params.missing,
    phrased=phrased,
    placed={reward: read_json(file).get("table", {}) for reward, file in zip(params.twins, files.placebos, strict=True)},
    config=yaml.safe_dump(snakemake.config, sort_keys=False, allow_unicode=True),  # shown, not used: no reason to make the report again
)  # fmt: skip
data = {"tokens": {model: shown.texts for model, shown in text.items()}, "features": features}
with whole(snakemake.output.report) as file:
    file.write_text(report.render(page, data), encoding="utf-8")
