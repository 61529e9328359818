"""The report's findings: what the tuned model now says where, in the order of the evidence, beside what needs no dictionary."""

import pandas as pd

from rewardscope.findings.findings_table import EMPTY, named, without
from rewardscope.findings.kinds import DIRECTIONS, FEATURES, WITH, WITHOUT, WITHOUT_CONTEXTS
from rewardscope.report.charts import number
from rewardscope.report.verdict import counted

FIRST = 5  # findings that stand open
FIRST_SCREEN = 2  # and on the first screen
TITLES = {  # the first stands open: a placebo changes as much as the second lists
    WITH: "Where tuning and the reward go together",
    WITHOUT: "From the two checkpoints alone: where tuning changed most, paid for or not",
}


def findings(table: pd.DataFrame, twins: dict[str, str]) -> list[dict]:
    """A list of findings for each model, reward and mode; a twin's stand behind the true reward's threshold, not here."""
    out = []
    true = table[~table["reward"].isin(twins)]
    paid = set(map(tuple, true.loc[true["mode"] == WITH, ["model", "reward"]].to_numpy()))
    for (model, reward, mode), rows in true.groupby(["model", "reward", "mode"], sort=False):
        features = rows[(rows["contexts"] == FEATURES) & rows["shown"]]
        told = [_told(row) for row in features.to_dict("records")]
        beside = [_beside(kind, group) for kind, group in rows.dropna(subset="score").groupby("contexts", sort=False)]
        why, scored = without(rows), rows.loc[rows["contexts"] == FEATURES, "score"].notna().any()
        none = "No feature's score lies above the threshold" if scored else EMPTY[0].upper() + EMPTY[1:]
        out.append(
            {
                "title": named(model, reward, why, rows["method"].iloc[0]), "mode": TITLES[mode], "open": mode == WITH or (model, reward) not in paid,
                "note": f"There is no list with the reward: {why}." if why else "",
                "told": told[:FIRST], "more": told[FIRST:],
                "none": "" if told else f"{none}: nothing is claimed.", "beside": beside, "says": _says(beside),
            }
        )  # fmt: skip
    return out


def first(table: pd.DataFrame | None, model: str, reward: str) -> dict | None:
    """The first findings of a model and reward for the first screen, with their controls beside; None where none were looked for.

    Of the list with the reward, or of the other where there is none. Of a twin, what passes for a finding by the true reward.
    """
    rows = pd.DataFrame() if table is None else table[(table["model"] == model) & (table["reward"] == reward)]
    if rows.empty:
        return None
    rows = rows[rows["mode"] == (WITH if (rows["mode"] == WITH).any() else WITHOUT)]
    features, random = rows[rows["contexts"] == FEATURES], rows.loc[rows["contexts"] == DIRECTIONS, "score"].max()
    told = [_told(row) | {"example": ""} for row in features[features["shown"]].head(FIRST_SCREEN).to_dict("records")]
    beside = f"Directions drawn at random in place of features reach {number(random)}" if pd.notna(random) else ""
    if beside and told and random >= features["threshold"].iloc[0]:
        beside += ": they show as well what the model now writes and where, so nothing says that its features carry it"
    beside += "." * bool(beside)
    best = features["score"].max()
    if pd.isna(best):
        none = f"{EMPTY[0].upper() + EMPTY[1:]}."
    else:
        none = f"No feature's score lies above the threshold, {number(features['threshold'].iloc[0])}; the largest is {number(best)}."
    return {"mode": TITLES[rows["mode"].iloc[0]], "told": told, "none": "" if told else none, "beside": beside}


def _told(row: dict) -> dict:
    seen = f"in {row['runs']} of {counted(row['of_runs'], 'run')}, {row['seeds']} of {counted(row['of_seeds'], 'SAE')}"
    score = f"score {number(row['score'])}, threshold {number(row['threshold'])}"
    twin = f"; the twins' largest {number(row['twin'])}" if pd.notna(row["twin"]) else "; no twin beside it"
    return {"sentence": row["sentence"], "evidence": f"{score}{twin}; {seen}", "example": "" if pd.isna(row["example"]) else row["example"]}


def _beside(kind: str, rows: pd.DataFrame) -> dict:
    words = [word for more in rows.loc[rows["shown"], "more"].dropna() for word in more.split()]
    twin = rows["twin"].iloc[0]
    return {
        "kind": kind, "best": rows["score"].max(), "shown": int(rows["shown"].sum()), "of": len(rows), "twin": "" if pd.isna(twin) else number(twin),
        "words": list(dict.fromkeys(words))[:10],
    }  # fmt: skip


def _says(beside: list[dict]) -> str:
    """Whether a dictionary was needed, by the same score and reading on the same budget."""
    best = {row["kind"]: row for row in beside if row["kind"] not in WITHOUT_CONTEXTS}
    ours = best.pop("features", None)
    if ours is None or not best:
        return ""
    better = [kind for kind, row in best.items() if row["best"] >= ours["best"]]
    if better:
        return f"{' and '.join(better).capitalize()} reach a score as high as features do: no dictionary was needed for this."
    kind, row = max(best.items(), key=lambda item: item[1]["best"])
    first, second = number(ours["best"]), number(row["best"])
    return f"Features reach the highest score, {first}; next are {kind} with {second}. One list cannot tell whether that is more than luck."
