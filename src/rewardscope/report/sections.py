"""The report's sections but for the feature browser: charts, rows and sentences from the workflow's tables, for the template."""

from collections.abc import Sequence
from math import isfinite, isnan

import pandas as pd

from rewardscope.activations.picks import layer_sums
from rewardscope.report import charts, verdict
from rewardscope.report import phrases as writing
from rewardscope.report.beside import beside
from rewardscope.report.charts import run_charts
from rewardscope.report.completions import SIDES, completions, described, rewarded, words_written
from rewardscope.report.crosscoder import counted, crosscoders
from rewardscope.report.features import held, thing
from rewardscope.report.findings import findings, first
from rewardscope.report.provenance import made
from rewardscope.report.quality import quality
from rewardscope.report.tables import listing, pictured
from rewardscope.run.lineage import Chain
from rewardscope.sae.groups import SAME

CROSSCODED = ("tables/crosscoder.csv", "tables/crosscoder_features.csv")
CHANGED = 10  # features that a reader without JavaScript sees
CONTENTS = {
    "verdict": "Verdict", "findings": "Findings", "beside": "Side by side", "rlhf": "Tuning", "divergence": "Layers",
    "quality": "Autoencoders", "features": "Features", "scores": "Scores", "completions": "Completions", "sweeps": "Sweeps",
    "changes": "Changes", "tables": "Tables", "provenance": "Provenance",
}  # fmt: skip


def page(
    pairs: list[str], layers: dict[str, dict[str, int]], tables: dict[str, pd.DataFrame], completed: dict[str, list[pd.DataFrame]],
    words: dict[str, dict[str, float]], features: list[dict], rewards: dict[str, dict], training: dict[str, pd.DataFrame],
    divergence: dict[str, pd.DataFrame], pictures: list[str], chain: Chain, config: str, twins: dict[str, str], prompted: Sequence[str] = (),
    missing: Sequence[str] = (), phrased: dict[str, list[pd.DataFrame]] | None = None, placed: dict[str, dict[str, float]] | None = None,
) -> dict:  # fmt: skip
    """What the template shows, all but the browser's data; a section without its inputs is empty.

    Keys of the dicts are pairs (`pairs/{model}/{reward}/run{run}`), those of `tables` paths below the results folder, of `twins` the
    rewards that are placebos, with their true reward. `prompted` are the pairs whose reward reads prompt and completion,
    `missing` those, `model/reward`, that failed. `phrased`: the completions that
    phrases are counted in, where they are more than Table 4's (`completed`). `placed`: by the name of a
    twin of kind `words`, the words that carry its values.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        groups.setdefault(tuple(pair.split("/")[1:3]), []).append(pair)
    several, name = len(groups) > 1, {pair: " ".join(pair.split("/")[1:]).replace("run", "run ") for pair in pairs}
    seeds = {tuple(entry["id"].split("/")[5:6]) for entry in features}
    changed = {thing(f): f for f in reversed(features) if f.get("nearCos") is not None}.values()  # of a feature of several seeds the first
    changed = sorted(changed, key=lambda f: f["change"][1] - (1 if f["change"][0] is None else f["change"][0]))
    kinds: dict[str, set[str]] = {}
    for pair in pairs:
        if (reward := pair.split("/")[2]) in twins:
            kinds.setdefault(twins[reward], set()).add(rewards[pair]["kind"])
    methods = {pair: table["method"].iloc[0].upper() for pair, table in training.items()}
    moved = {pair for pair, table in divergence.items() if table["distance"].any()}
    sections = {
        "findings": findings(tables["tables/findings.csv"], twins) if "tables/findings.csv" in tables else [],
        "beside": beside(groups, tables, completed, rewards, twins, methods),
        "training": run_charts([(name[pair], table) for pair, table in training.items()]),
        "divergence": layer_charts([(name[pair], divergence[pair], layers[pair]) for pair in pairs]),
        "quality": quality(tables["tables/quality.csv"], several or len(pairs) > 1) if "tables/quality.csv" in tables else None,
        "scores": scores(tables["tables/scores.csv"], several) if "tables/scores.csv" in tables else [],
        "completions": [{"name": name[pair], **completions(*both, words.get(pair), pair in prompted)} for pair, both in completed.items()],
        "pictures": [pictured(file) for file in pictures],
        "step4": step4(tables["tables/step4.csv"], several) if "tables/step4.csv" in tables else [],
        "opinions": opinions(tables["tables/section6.1.csv"], several) if "tables/section6.1.csv" in tables else [],
        "crosscoders": crosscoders(*(tables[file] for file in CROSSCODED), several) if CROSSCODED[0] in tables else [],
        "tables": [listing(file, table) for file, table in tables.items()],
    }
    present = {
        "verdict": True, "findings": sections["findings"], "beside": sections["beside"],
        "rlhf": sections["training"], "divergence": True, "quality": sections["quality"], "features": features,
        "scores": sections["scores"], "completions": completed, "sweeps": pictures,
        "changes": sections["step4"] or sections["crosscoders"] or sections["opinions"],
        "tables": tables, "provenance": True,
    }  # fmt: skip
    models = sorted({model for model, _ in groups})
    return {
        "title": f"What tuning changed in {models[0] if len(models) == 1 else f'{len(models)} models'}",
        "compared": verdict.compared(
            [pair.split("/")[2] in twins for pair in pairs],
            _rows(tables.get("tables/table3.csv")),
            [rewarded(rewards[pair]) for pair in pairs],
            len(pairs) - len(training),
            max(kinds.values(), key=len, default=()),
        )
        + f" Left out, because it failed: {', '.join(missing)}." * bool(missing),
        "contents": [(key, title) for key, title in CONTENTS.items() if present[key]],
        "pairs": screens(groups, tables, completed, phrased or completed, words, rewards, twins, moved, methods, placed or {}),
        "methods": " and ".join(dict.fromkeys(methods.values())),
        "worded": bool(words),
        "rewarded": any(rewarded(reward) for reward in rewards.values()),
        "twins": any(reward in twins for _, reward in groups),
        "top_k": max((f.get("place", 0) for f in features), default=0),
        "crosscoded": any("norm" in f for f in features),
        "seeds": len(seeds),
        "changed": [{**f, "held": held(f)} for f in changed[:CHANGED]],
        "same": SAME,
        "made": made(chain),
        "config": config,
        **sections,
    }


def screens(
    groups: dict[tuple[str, str], list[str]], tables: dict[str, pd.DataFrame], completed: dict[str, list[pd.DataFrame]],
    phrased: dict[str, list[pd.DataFrame]], words: dict[str, dict[str, float]], rewards: dict[str, dict], twins: dict[str, str],
    moved: set[str], methods: dict[str, str], placed: dict[str, dict[str, float]],
) -> list[dict]:  # fmt: skip
    """The first screen of every model and reward; `groups` holds the pairs of their runs, `moved` those with a layer that tuning changed.

    A twin comes after its true reward, `folded` where that is here. `methods`: how those were tuned that were tuned here. The rest is as
    `page` takes it.
    """
    shown, measured = [], {pair: writing.written(*both) for pair, both in phrased.items()}
    true = {(model, reward): (model, twins.get(reward)) for model, reward in groups}
    place = {here: number for number, here in enumerate(groups)}
    for model, reward in sorted(groups, key=lambda here: (place.get(true[here], place[here]), true[here] in groups)):
        runs = groups[model, reward]
        sides = list(zip(*(completed[pair] for pair in runs if pair in completed), strict=True))
        row3, row4 = (_row(tables.get(f"tables/table{n}.csv"), model, reward) for n in (3, 4))
        gained = _gained(tables.get("tables/step4.csv"), model, reward)
        written = words_written(*sides) if sides and runs[0] in words else None
        given, changed = rewarded(rewards[runs[0]]), not moved.isdisjoint(runs)
        beside = [
            measured[pair]
            for group, pairs in groups.items()
            if (group[0], twins.get(group[1])) == (model, reward)
            for pair in pairs
            if pair in measured
        ]
        phrases = {}
        for pair in (pair for pair in runs if pair in measured):
            hacked = writing.signs(measured[pair], beside) if given else []
            phrases[pair.rsplit("run", 1)[1]] = writing.told(measured[pair], hacked, reward in twins)
        sentences = verdict.unrewarded(row4, gained, changed)
        if given:
            sentences = verdict.sentences(row3, row4, gained, runs[0] in words, reward in twins, changed)
        screen = first_screen(row3, row4, sentences, reward in twins)
        facts = {"model": model, "reward": reward, "twin_of": twins.get(reward, ""), "rewarded": given, "method": methods.get(runs[0], "")}
        facts["given"] = given and not facts["method"] and reward not in twins  # a checkpoint, which the reward may not have tuned
        facts["over_runs"] = writing.over_runs([measured[pair] for pair in runs if pair in measured])
        facts |= {"folded": true[model, reward] in groups, "findings": first(tables.get("tables/findings.csv"), model, reward)}
        shown.append({**facts, "likes": described(rewards[runs[0]], sides, placed.get(reward)), "written": written, "phrases": phrases, **screen})
    return shown


def _rows(table: pd.DataFrame | None) -> list[dict]:
    return [] if table is None else table.to_dict("records")


def _row(table: pd.DataFrame | None, model: str, reward: str) -> dict | None:
    return next((row for row in _rows(table) if (row["model"], row["reward"]) == (model, reward)), None)


def _gained(table: pd.DataFrame | None, model: str, reward: str) -> dict | None:
    """Step 4's count of features that only the tuned model has: of the top k, in all layers."""
    top = () if table is None else table[table["among"].str.startswith("top")]
    rows = _rows(top[(top["layer"] == "total") & (top["change"] == "found") & (top["kept_at"] == "chance")]) if len(top) else []
    return next((row for row in rows if (row["model"], row["reward"]) == (model, reward)), None)


def first_screen(features: dict | None, completed: dict | None, sentences: list[verdict.Sentence], twin: bool) -> dict:
    """One model and reward (or a reward's `twin`): its sentences, and Tables 3 and 4 (a row of each) as figures."""
    figures = []
    if completed is not None:
        title = "Reward, prompt included" if verdict.prompted(completed) else "Reward of a completion"
        if isfinite(completed["reward_base"]):  # a reward was given
            figures.append((title, f"Table 4: mean of the {'true' if twin else 'signed'} reward", "reward_", completed))
        if not isnan(completed["m_base"]):  # the reward has a word table
            figures.append(("Words that completions hold", "Table 4: sum of |utility| over the prompts", "", completed))
    if features is not None:
        figures.append(("Words that features promote", "Table 3: sum of their signed utility over the features", "promotes_signed_", features))
        figures.append(("Words that features fire on", "Table 3, the paper's: sum of |utility| over the explanations", "", features))
    drawn = []
    for title, note, prefix, row in figures:
        base, rlhf = (row[name] for name in ((f"{prefix}base", f"{prefix}rlhf") if prefix else ("m_base", "m_rlhf")))
        difference, low, high = (row[f"{prefix}{name}"] for name in ("difference", "ci_low", "ci_high"))
        label = f"{title}: base {charts.number(base)}, tuned {charts.number(rlhf)}, difference {verdict.spanned(difference, low, high)}"
        placebo = row[f"{prefix}twin"]
        label += f", its twin's difference {charts.signed(placebo)}" * isfinite(placebo)
        drawn.append({"title": title, "note": note, "svg": charts.change(base, rlhf, difference, low, high, label, twin=placebo)})
    if features is not None and isfinite(features["promotes_signed_difference"]):  # the vocabulary has words of the reward
        drawn.insert(-1, beside_controls(features, twin))
    return {"sentences": sentences, "figures": drawn}


def beside_controls(features: dict, twin: bool) -> dict:
    """The difference in what features promote, that of random rows and of the twin, and what is left: Table 3's headline."""
    name = "promotes_signed_"

    def ends(value: str) -> tuple[float, float]:
        return features[f"{name}{value}ci_low"], features[f"{name}{value}ci_high"]

    random = features[f"{name}random_rlhf"] - features[f"{name}random_base"]
    crossed = features[f"{name}base_through_rlhf"] - features[f"{name}base"]
    rows = [
        ("features", charts.Dot("features, tuned - base", "rlhf", features[f"{name}difference"], *ends(""))),
        ("random rows", charts.Dot("random rows, tuned - base", "null-covariance", random)),
        ("unembedding alone", charts.Dot("base features through the tuned unembedding, less through base's", "null-covariance", crossed)),
        ("net of random", charts.Dot("features less random rows", "rlhf", features[f"{name}net"], *ends("net_"))),
        ("twin", charts.Dot("its twin's features, tuned - base", "null-covariance", features[f"{name}twin"])),
        ("net of twin", charts.Dot("features less its twin's", "rlhf", features[f"{name}over_twin"], *ends("over_twin_"))),
    ]
    rows = [(title, mark) for title, mark in rows if isfinite(mark.x)]  # a twin has no twin
    label = "; ".join(f"{title} {charts.number(mark.x)}" for title, mark in rows)
    svg = charts.dots([(title, [mark]) for title, mark in rows], "signed utility, tuned - base", label, 0.0, 320)
    note = f"Table 3: “Yes” only where {'the net interval leaves' if twin else 'both net intervals leave'} 0 out (95\N{NO-BREAK SPACE}%)"
    return {"title": "The same beside its controls", "note": note, "svg": svg}


def layer_charts(tables: list[tuple[str, pd.DataFrame, dict[str, int]]]) -> list[dict]:
    """A chart a run of (name, divergence table, picks): the sum over a layer's tensors, the layers looked into marked.

    Low picks beside others are for Table 7 alone.
    """
    out = []
    for name, table, picks in tables:
        layers = layer_sums(table)
        chosen = sorted({layer for pick, layer in picks.items() if not pick.startswith("low")} or set(picks.values()))
        line = charts.Line(name, "rlhf", layers.index.tolist(), layers.tolist())
        label = f"{name}: " + ", ".join(f"layer {layer} {charts.number(value)}" for layer, value in layers.items())
        axes = ("layer (0 is nearest the input)", "divergence")
        out.append({"title": name, "svg": charts.lines([line], axes, label, chosen, integers=True), "layers": chosen})
    return out


def step4(table: pd.DataFrame, several: bool) -> list[dict]:
    """What tuning changed among the top features, all layers together: counts beside another SAE seed's; and a crosscoder's, where there is one."""
    counts = table[(table["layer"] == "total") & table["among"].str.startswith("top")]
    counts = counts[(counts["kept_at"] == "chance") | counts["change"].str.startswith("moved")]
    named = {
        "found": "found only in tuned", "lost": "lost from base", "kept": "kept",
        "moved base": "firing rate moved (base)", "moved rlhf": "firing rate moved (tuned)",
    }  # fmt: skip
    out = []
    for (model, reward), rows in counts.groupby(["model", "reward"], sort=False):
        drawn, lines = [], []
        for row in rows.to_dict("records"):
            told = says(row) if isfinite(row["null"]) or not isfinite(row["count"]) else "–"  # a count without a null: of what moved, of one seed
            less = says(row, "net", "net_ci") if isfinite(row["random"]) else "–"
            above = says(row, "over_twin", "over_twin_ci") if isfinite(row["twin"]) else "–"
            lines.append({"name": named[row["change"]], **row, "says": told, "less": less, "above": above})
            null = charts.Dot("another SAE seed", "null-covariance", row["null"])
            drawn.append((named[row["change"]], [null, charts.Dot("tuned", "rlhf", row["count"], row["count_low"], row["count_high"])]))
        label = "; ".join(f"{name}: {charts.number(marks[1].x)}, another seed {charts.number(marks[0].x)}" for name, marks in drawn)
        ranked = rows["features"].iloc[0]
        of = f"of {ranked:.0f}" if isfinite(ranked) else "none to compare"
        axis = f"features, {of}; mean over {verdict.replicates(rows.iloc[0].to_dict())}"
        beside = bool(rows["twin"].notna().any())
        lines += counted(table[(table["model"] == model) & (table["reward"] == reward)])
        out.append({"title": f"{model}, {reward}" * several, "svg": charts.dots(drawn, axis, label, 0.0), "rows": lines, "twin": beside})
    return out


def says(row: dict, value: str = "difference", ends: str = "ci") -> str:
    """A row's difference and its interval, and `not shown` where that holds 0."""
    low, high = row[f"{ends}_low"], row[f"{ends}_high"]
    if not isfinite(low) or not isfinite(high):
        return f"{charts.signed(row[value])} (no interval)" if isfinite(row[value]) else "nothing to compare"
    return f"{charts.signed(row[value])} ({charts.number(low)} to {charts.number(high)})" + ", not shown" * (low <= 0 <= high)


def scores(table: pd.DataFrame, several: bool) -> list[dict]:
    """How well explanations predict and come true, in all layers: base and RLHF beside explanations of other features."""
    out = []
    for (model, reward), rows in table[table["layer"] == "all"].groupby(["model", "reward"], sort=False):
        drawn, lines = [], []
        for (scorer, measure), group in rows.groupby(["scorer", "measure"], sort=False):
            score, other = (group[group["explanation"] == name].iloc[0].to_dict() for name in ("own", "other"))
            name = f"{scorer}: {measure.replace('_', ' ').replace('auroc', 'AUROC')}"
            null = charts.Dot("explanations of other features", "null-covariance", (other["base"] + other["rlhf"]) / 2)
            marks = [charts.Dot(SIDES[side], side, score[side], score[f"{side}_low"], score[f"{side}_high"]) for side in SIDES]
            drawn.append((name, [null, *marks]))
            lines.append({"name": name, "base": score["base"], "rlhf": score["rlhf"], "other": null.x, "says": says(score)})
        label = "; ".join(
            f"{line['name']}: base {charts.number(line['base'])}, tuned {charts.number(line['rlhf'])}, other features {charts.number(line['other'])}"
            for line in lines
        )
        svg = charts.dots(drawn, "mean score of an explanation, all layers", label, 0.0)
        out.append({"title": f"{model}, {reward}" * several, "svg": svg, "rows": lines})
    return out


def opinions(table: pd.DataFrame, several: bool) -> list[dict]:
    """Section 6.1: of the best matched features, how many explanations are about opinions on films."""
    out = []
    for (model, reward), rows in table.groupby(["model", "reward"], sort=False):
        drawn = [
            (f"layer {r['layer']}" if r["layer"] != "all" else "all layers", [charts.Dot(SIDES[side], side, r[side]) for side in SIDES])
            for r in rows.to_dict("records")
        ]
        last = rows.iloc[-1]
        label = f"All layers: base {charts.number(last['base'])}, tuned {charts.number(last['rlhf'])}"
        axis = f"explanations (of {last['texts']:.0f} in all layers)"
        out.append({"title": f"{model}, {reward}" * several, "svg": charts.dots(drawn, axis, label, 0.0), "change": says(last.to_dict())})
    return out
