"""What the report's feature browser shows of each explained feature, as plain values for JSON.

Short keys and shared tokens keep the file small; `src/rewardscope/report/report.js` and `python -m rewardscope show feature` read them.
"""

from collections.abc import Callable
from math import ceil

import numpy as np
import pandas as pd

from rewardscope.data.words import words
from rewardscope.rewards.utility import utilities
from rewardscope.tables.explained import promoted, score, spoken

BINS = 24  # of the activation histogram
BEFORE, AFTER = 14, 8  # tokens shown around a peak
TOP, MIDDLE = 4, 2  # windows: strongest activations, and ordinary ones (the strongest alone would flatter a feature)
ALIKE = 5  # a window whose last tokens up to the peak were shown already is passed over

SCORES = {  # scorer -> what the report calls its score, and the column that holds it
    "simulation": ("simulation (correlation)", "correlation_own"),
    "detection": ("detection (AUROC)", "auroc_own"),
    "promotes": ("promotes (share of claimed tokens that rise most)", "most_raised_own"),
}


def address(pair: str, side: str, layer: int, seed: int, feature: int) -> str:
    """The name of a feature: `tiny/utility/run1/rlhf/layer3/seed1/feature115`."""
    return f"{pair.removeprefix('pairs/')}/{side}/layer{layer}/seed{seed}/feature{feature}"


class Texts:
    """The texts of the tokens that windows show, each once, by number."""

    def __init__(self):
        self.numbers, self.texts = {}, []

    def number(self, text: str) -> int:
        """The place of a token's text in `texts`."""
        if text not in self.numbers:
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return self.numbers[text]


class Tokens:
    """Documents' tokens by position."""

    def __init__(self, index: pd.DataFrame, texts: Texts, pieces: Callable[[int], list[str]]):
        """`index`: the token index (document, position, token); `pieces`: a document's tokens as text (`models.pieces`)."""
        index = index.sort_values(["document", "position"])
        self.token, self.position = index["token"].to_numpy(), index["position"].to_numpy()
        documents, starts = np.unique(index["document"].to_numpy(), return_index=True)
        self.rows = dict(zip(documents.tolist(), zip(starts.tolist(), [*starts[1:].tolist(), len(index)], strict=True), strict=True))
        self.texts, self.pieces = texts, pieces

    def around(self, document: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions and token ids `[n]` around a position of a document, its own included."""
        start, end = self.rows[document]
        at = start + np.searchsorted(self.position[start:end], position)
        rows = slice(max(start, at - BEFORE), min(end, at + AFTER + 1))
        return self.position[rows], self.token[rows]


def windows(fires: pd.DataFrame, tokens: Tokens) -> list[dict]:
    """Places where a feature fires: its strongest, and some around the median of its documents' peaks.

    `fires`: the feature's rows (document, position, value), in that order. A window: `d` document, `p` row of the peak in it, `t` its
    tokens' numbers, `v` percent of the feature's largest activation per token, `m` whether it is a middling one.
    """
    documents, positions, values = (fires[name].to_numpy() for name in ("document", "position", "value"))
    firing, starts = np.unique(documents, return_index=True)
    if not len(firing):
        return []
    ends = np.append(starts[1:], len(documents))
    largest = np.maximum.reduceat(values, starts)
    at = np.flatnonzero(values == largest.repeat(ends - starts))
    peaks = at[np.searchsorted(at, starts)]  # of each document the first row with its largest value
    strongest, top = np.argsort(-largest, kind="stable"), float(largest.max())  # of documents, the strongest peak first
    seen: set[tuple[int, ...]] = set()

    def some(order: np.ndarray, count: int, middling: bool) -> list[dict]:
        shown = []
        for i in order:
            if len(shown) == count:
                break
            near, ids = tokens.around(int(firing[i]), int(positions[peaks[i]]))
            peak = int(np.searchsorted(near, positions[peaks[i]]))
            before = tuple(ids[max(0, peak + 1 - ALIKE) : peak + 1].tolist())
            if before in seen:
                continue
            seen.add(before)
            rows = slice(starts[i], ends[i])
            activation = dict(zip(positions[rows].tolist(), values[rows].tolist(), strict=True))
            percent = [ceil(100 * activation.get(p, 0.0) / top) for p in near.tolist()]
            pieces = tokens.pieces(int(firing[i]))
            numbers = [tokens.texts.number(pieces[p]) for p in near.tolist()]
            shown.append({"d": int(firing[i]), "p": peak, "t": numbers, "v": percent, "m": int(middling)})
        return shown

    return some(strongest, TOP, False) + some(strongest[len(strongest) // 2 :], MIDDLE, True)


def histogram(values: np.ndarray) -> list[int]:
    """Counts of `values` `[n]` > 0 in BINS equal bins from 0 to the largest."""
    return np.histogram(values, BINS, (0.0, float(values.max())))[0].tolist() if len(values) else []


def rounded(value: float, digits: int = 4) -> float | None:
    """A number for JSON, which has no nan."""
    return round(float(value), digits) if np.isfinite(value) else None


def weighed(tokens: list[dict], table: dict[str, float] | None) -> list[list]:
    """`[token, change of logit, utility]` of promoted tokens; no utility where the lexicon holds no word of the token."""
    out = []
    for token in tokens:
        known = utilities(token["token"], table or {})
        out.append([token["token"].strip(), rounded(token["logit"], 2), rounded(sum(u for _, u in known), 1) if known else None])
    return out


def tuned_there(rows: pd.DataFrame) -> list[list]:
    """`[token, probability before, after]` of a feature's rows of `findings.changed`: first those that tuning made likelier, then the rarer ones."""
    return [[row.token, rounded(row.p_base, 5), rounded(row.p_tuned, 5)] for row in rows.itertuples()]


def grouped(place: dict, side: str, groups: pd.DataFrame) -> dict[int, dict]:
    """What `sae.groups` says of each feature of a place: feature -> values of its entry.

    `near`, `nearCos`: the nearest of all dictionaries of the other side; `group`, its number among those of its side and layer, `same`: the
    members, itself among them, as [run, seed, feature]; `in`: dictionaries and runs that have it, each with how many there are;
    `change`: the largest cosine of a member with another dictionary of its side, and with one of the other side.
    """
    other = "base" if side == "rlhf" else "rlhf"
    model, run = place["pair"].rsplit("/", 1)
    of_run = groups[groups["run"] == run]
    shared = (of_run["of_runs"] == 1).all()  # runs of one base have its dictionaries in common: each member is told once
    same = {}
    for group, name, *rest in (of_run if shared else groups)[["group", "run", "seed", "feature"]].itertuples(index=False):
        same.setdefault(group, []).append([int(name.removeprefix("run")), *rest])
    out = {}
    for row in of_run[of_run["seed"] == place["seed"]].to_dict("records"):
        near = address(f"{model}/{row['nearest_run']}", other, place["layer"], row["nearest_seed"], row["nearest"])
        out[row["feature"]] = {
            "near": near if row["nearest"] >= 0 else None,
            "nearCos": rounded(row["cosine"]),
            "group": row["group"],
            "same": sorted(same[row["group"]]),
            "in": [row["seeds"], row["of_seeds"], row["runs"], row["of_runs"]],
            "change": [rounded(row["group_own_cosine"]), rounded(row["group_cosine"])],
        }
    return out


def thing(entry: dict) -> tuple:
    """What a feature is one of over SAE seeds and runs: its model, reward, side, layer and group; of one without a group itself."""
    model, reward, _, side, layer, *_ = entry["id"].split("/")
    return (model, reward, side, layer, entry["group"]) if "group" in entry else (entry["id"],)


def held(entry: dict) -> str:
    """How many dictionaries of its side have a feature: `in 2 of 3 SAE seeds`, or `in 7 of 9 SAEs (3 of 3 runs)`."""
    seeds, of_seeds, runs, of_runs = entry["in"]
    return f"in {seeds} of {of_seeds} " + (f"SAEs ({runs} of {of_runs} runs)" if of_runs > 1 else "SAE seeds" if of_seeds > 1 else "SAE seed")


def sourced(line: dict, shown: list[dict], tokens: list[str]) -> dict:
    """Where an explanation's words come from: `seen`, those in the strongest windows `shown`; `unseen`; and `drawn`, from what it was made.

    Its words are those that the server-less explainer quotes, else all of more than three letters. `tokens`: texts by number.
    """
    quoted = line["words"] if line["explainer"] == "tokens" else [word for word in words(line["activates_on"]) if len(word) > 3]
    there = {word for window in shown if not window["m"] for word in words("".join(tokens[t] for t in window["t"]))}
    quoted = list(dict.fromkeys(word.lower() for word in quoted))
    evidence = line["evidence"]
    count = evidence.get("strongest") or len(evidence["documents"])
    drawn = f"{count} strongest activations" if "strongest" in evidence else f"{count} documents with its strongest activations"
    return {"seen": [w for w in quoted if w in there], "unseen": [w for w in quoted if w not in there], "drawn": drawn}


def browsed(line: dict, fires: pd.DataFrame, tokens: Tokens, table: dict[str, float] | None) -> dict:
    """What the browser shows of any explained feature: its explanation `line`, and where it `fires` (its rows of the feature activations)."""
    values, shown = fires["value"].to_numpy(), windows(fires, tokens)
    entry = {
        "on": line["activates_on"],
        "makes": "" if line["explainer"] == "tokens" else line["promotes"],  # `tokens` says what `up` and `down` do
        "up": weighed(line["raised"], table),
        "down": weighed(line["lowered"], table),
        "max": rounded(values.max(), 3) if len(values) else 0,
        "fires": len(values),
        "hist": histogram(values),
        "win": shown,
        **sourced(line, shown, tokens.texts.texts),
    }
    if table:
        entry["uOn"] = rounded(score([spoken(line)], table)["signed"], 1)
        entry["uUp"] = rounded(score([promoted(line)], table)["signed"], 1)
    return entry


def entries(
    place: dict, side: str, matched: pd.DataFrame, fires: pd.DataFrame, tokens: Tokens, nulls: pd.DataFrame | None,
    changes: pd.DataFrame | None, groups: pd.DataFrame | None, table: dict[str, float] | None, scores: dict[str, pd.DataFrame],
    told: pd.DataFrame | None = None,
) -> list[dict]:  # fmt: skip
    """The explained features of one side at one place and SAE seed, the best matched first.

    `place`: pair, layer, seed and the side's explanations (`explained.places`); `matched`: its features table; `fires`: the
    feature activations; `nulls`: the place's null dictionaries; `changes`: the rows of the comparison of this side,
    pick and seed; `groups`: those of features over seeds and runs (`sae.groups`) of this side and layer; `table`: the reward's words;
    `scores`: of each scorer, a row an explanation; `told`: what tuning changed where features fire (`findings.changed`) of this pick and seed.
    """
    firings, ranked = fires.groupby("feature"), int(matched["place"].notna().sum())
    cosine = matched.set_index("small")["cosine"]
    changed = changes.set_index("feature") if changes is not None else pd.DataFrame()
    null = {kind: pd.DataFrame(rows["cosines"].to_list()).mean() for kind, rows in nulls.groupby("kind")} if nulls is not None else {}
    over_seeds = grouped(place, side, groups) if groups is not None else {}
    shown = []
    for line in place[side]:
        feature, number = line["feature"], line["place"]
        here = firings.get_group(feature) if feature in firings.groups else fires.iloc[:0]
        entry = {
            "id": address(place["pair"], side, place["layer"], place["seed"], feature),
            "place": number,
            "of": ranked,
            "cosine": rounded(cosine[feature]),
            "null": {kind: rounded(best[number - 1]) for kind, best in null.items() if number <= len(best)},
            **browsed(line, here, tokens, table),
        }
        if feature in changed.index:
            row = changed.loc[feature]
            entry["rate"] = [rounded(row["rate_on_base"], 6), rounded(row["rate_on_rlhf"], 6)]
        if told is not None and len(rows := told[told["feature"] == feature]):
            entry["now"] = {"n": int(rows["firings"].iloc[0]), "p": tuned_there(rows)}
        entry |= over_seeds.get(feature, {})
        own_scores = {SCORES[scorer][0]: rows.loc[rows["feature"] == feature, SCORES[scorer][1]] for scorer, rows in scores.items()}
        entry |= {"scores": {name: rounded(column.iloc[0]) for name, column in own_scores.items() if len(column)}} if scores else {}
        shown.append(entry)
    return shown
