"""Scores of explanations on held windows: simulation (Bills et al. 2023) and detection, each beside two baselines.

Every explanation is scored on the windows chosen for its feature, and so are, on the same windows, the explanation of
another feature of its place and the empty one.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from rewardscope.explain.answers import Answer
from rewardscope.scores import llm_simulator, windows, word_simulator
from rewardscope.scores.windows import Chosen, Windows
from rewardscope.seeds import derive

EXPLANATIONS = ("own", "other", "empty")
FACTS = ["place", "feature", "other", "explainer"]
SAYS = 5  # a prediction on the scale from 0 to 10 from which a window is said to activate the feature


class Case(NamedTuple):
    """One explanation and the windows that it is scored on."""

    line: dict
    other: dict
    """the explanation of another feature; an empty one where there is no other"""
    chosen: Chosen
    values: np.ndarray
    """`[n, T]`: the feature's activations there, over its largest on fit documents"""


EMPTY = {"feature": None, "activates_on": "", "raised": [], "lowered": []}


def others(lines: list[dict], seed: int) -> list[dict]:
    """For every explanation that of another feature, each used once: the next one in a random order."""
    if len(lines) < 2:
        return [EMPTY] * len(lines)
    order = np.random.default_rng(seed).permutation(len(lines))
    return [lines[i] for i in np.roll(order, -1)[np.argsort(order)]]


def about(line: dict, other: dict) -> dict:
    """The first columns of a row: the explained feature, and the one whose explanation is the baseline."""
    return dict(zip(FACTS, (line["place"], line["feature"], other["feature"], line["explainer"]), strict=True))


def told(rows: list[dict]) -> pd.DataFrame:
    """The rows of a place; where no feature of it is ranked there is none, and the first columns alone."""
    return pd.DataFrame(rows, columns=None if rows else [*FACTS, "unparsed", "cost"])


def cases(scorer: str, lines: list[dict], fires: pd.DataFrame, fit: set[int], held: Windows, count: int, seed: int) -> list[Case]:
    """A case per explanation of one place and SAE seed.

    `fires`: feature, document, position, value on every document; `fit`: the documents that explanations were written
    from; `held`: all windows of the held ones; `count`: windows of each kind. A feature that fires on no fit document
    is measured by its largest held activation.
    """
    fires_of, chosen_cases = dict(tuple(fires.groupby("feature"))), []
    largest = fires[fires["document"].isin(fit)].groupby("feature")["value"].max()
    for line, other in zip(lines, others(lines, derive(seed, "other")), strict=True):
        values = windows.activations(held, fires_of.get(line["feature"], fires[:0]))
        values = values / (largest.get(line["feature"]) or values.max(initial=0) or 1)
        window_seed = derive(seed, "windows", line["feature"])
        if scorer == "simulation":
            chosen = windows.for_simulation(values, count, window_seed)
        else:
            chosen = windows.for_detection(values, held, count, window_seed)
        chosen_cases.append(Case(line, other, chosen, values[chosen.number]))
    return chosen_cases


def score(scorer: str, cases: list[Case], predictions: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    """A row per case: `feature`, how many windows there are, its score and the baselines'.

    `predictions`: for each of own, other and empty what a simulator says of the case's windows: `[n, T]` for
    simulation, `[n]` for detection; nan where it did not say.
    """
    rows = []
    for case, predicted in zip(cases, predictions, strict=True):
        row = {
            **about(case.line, case.other),
            "windows": len(case.chosen.number),
            "fires": int(case.chosen.fires.sum()),
            "hard": int(case.chosen.hard.sum()),
            "unparsed": sum(_without_number(predicted[explanation]) for explanation in EXPLANATIONS),
        }
        for explanation in EXPLANATIONS:
            if scorer == "simulation":
                measures = {"correlation": correlation(predicted[explanation], case.values)}
            else:
                measures = detection(predicted[explanation], case.chosen.fires)
            row |= {f"{measure}_{explanation}": value for measure, value in measures.items()}
        rows.append(row)
    return told(rows)


def correlation(predicted: np.ndarray, values: np.ndarray) -> float:
    """Pearson's, over every token that was predicted; 0 for a constant prediction, nan for constant activations."""
    x, y = (array[~np.isnan(predicted)] for array in (predicted, values))
    if not len(x) or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) > 0 else 0.0


def detection(predicted: np.ndarray, fires: np.ndarray) -> dict[str, float]:
    """AUROC (ties count half) and balanced accuracy at `SAYS` of predictions `[n]`; nan without both kinds of windows."""
    x, y = (array[~np.isnan(predicted)] for array in (predicted, fires))
    positive, negative = y.sum(), (~y).sum()
    if not positive or not negative:
        return {"auroc": float("nan"), "balanced_accuracy": float("nan")}
    above = rankdata(x)[y].sum() - positive * (positive + 1) / 2
    hits, rejections = (x[y] >= SAYS).mean(), (x[~y] < SAYS).mean()
    return {"auroc": float(above / (positive * negative)), "balanced_accuracy": float((hits + rejections) / 2)}


def _without_number(predicted: np.ndarray) -> int:
    """Windows of which a simulator did not say what was asked."""
    return int(np.isnan(predicted).any(axis=tuple(range(1, predicted.ndim))).sum())


def by_words(scorer: str, cases: list[Case], held: Windows, pieces: Callable[[int], list[str]]) -> list[dict[str, np.ndarray]]:
    """Predictions of the deterministic simulator; a window's is that of its highest token. `pieces`: a document's tokens (`models.pieces`)."""
    predictions = []
    for case in cases:
        positions = held.position[case.chosen.number]
        words = [word_simulator.words(window) for window in _texts(case, held, pieces)]
        predictions.append({})
        for explanation, line in zip(EXPLANATIONS, (case.line, case.other, EMPTY), strict=True):
            claims = word_simulator.claimed(line["activates_on"])
            predicted = np.array([word_simulator.predict(claims, *window) for window in zip(words, positions, strict=True)])
            predictions[-1][explanation] = predicted if scorer == "simulation" else predicted.max(axis=1)
    return predictions


def by_llm(
    scorer: str, cases: list[Case], held: Windows, pieces: Callable[[int], list[str]], prompt: str, seed: int,
    ask: Callable[[list[dict]], Iterable[tuple[Answer, float]]],
) -> tuple[list[dict[str, np.ndarray]], list[float]]:  # fmt: skip
    """Predictions of a language model, as `by_words` gives them, and what those of each case cost, dollars.

    `ask` takes requests and gives the answer to each and its cost. All go to it at once, in random order, so
    that the order says nothing about sides.
    """
    requests, asked = [], []  # of each request: case, explanation, row of its answer (None: all of them)
    for c, case in enumerate(cases):
        tokens = _texts(case, held, pieces)
        for explanation, line in zip(EXPLANATIONS, (case.line, case.other, EMPTY), strict=True):
            if scorer == "simulation":
                starts = held.position[case.chosen.number, 0].tolist()
                requests += [llm_simulator.simulate(prompt, line["activates_on"], *window) for window in zip(tokens, starts, strict=True)]
                asked += [(c, explanation, row) for row in range(len(tokens))]
            else:
                requests.append(llm_simulator.detect(prompt, line["activates_on"], tokens))
                asked.append((c, explanation, None))
    order = np.random.default_rng(seed).permutation(len(requests))
    axes = 2 if scorer == "simulation" else 1
    predictions = [{explanation: np.full(case.values.shape[:axes], np.nan) for explanation in EXPLANATIONS} for case in cases]
    costs = [0.0] * len(cases)
    for i, (answer, cost) in zip(order, ask([requests[i] for i in order]), strict=True):
        c, explanation, row = asked[i]
        costs[c] += cost
        cell = predictions[c][explanation]
        if row is None:
            cell[:] = llm_simulator.numbers(answer, len(cell))
        else:
            cell[row] = llm_simulator.numbers(answer, cell.shape[1])
    return predictions, costs


def _texts(case: Case, held: Windows, pieces: Callable[[int], list[str]]) -> list[list[str]]:
    """The tokens of a case's windows `[n, T]`."""
    chosen = case.chosen.number
    return [[pieces(document)[p] for p in at] for document, at in zip(held.document[chosen].tolist(), held.position[chosen].tolist(), strict=True)]
