"""Measures the planted rewards on windows of the corpus and writes kinds.csv beside this file.

    python benchmarks/planted/kinds.py

Visible to word counts is measured, not declared: the cross-validated R^2 of a ridge regression of a kind's reward on the counts of words
and marks in a window. At 0.5 and more the kind is visible, below 0.3 invisible; none may lie between.
"""

import csv
import random
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import chosen  # noqa: E402
import held  # noqa: E402
import sealed  # noqa: E402
from parts import Kind, tokens  # noqa: E402

SETS: dict[str, ModuleType] = {"chosen": chosen, "held": held, "sealed": sealed}
DOCUMENTS, SHORTEST, LONGEST = 3000, 18, 25  # windows of so many words
OFTEN, RIDGE = 20, 10.0  # occurrences of a token; penalty
VISIBLE, INVISIBLE = 0.5, 0.3
COLUMNS = ["set", "kind", "family", "pays", "share", "sd", "r2", "visible"]


def kinds() -> dict[str, tuple[str, Kind]]:
    """Name -> set and kind, in the order of the files."""
    return {name: (of, kind) for of, module in SETS.items() for name, kind in vars(module).items() if isinstance(kind, Kind)}


def windows(documents: int = DOCUMENTS, seed: int = 1) -> list[str]:
    """Pieces of 18 to 25 words of the embedded corpus, one of each half of a document, cut at random places."""
    from rewardscope.data.grammar import generate

    rng, pieces = random.Random(seed), []
    for review in generate(documents, seed):
        words = review["text"].split()
        for half in (words[: len(words) // 2], words[len(words) // 2 :]):
            length = rng.randint(SHORTEST, LONGEST)
            start = rng.randint(0, max(0, len(half) - length))
            pieces.append(" ".join(half[start : start + length]))
    return pieces


def counts(rows: list[list[str]]) -> np.ndarray:
    """How often each token with at least `OFTEN` occurrences stands in each piece, `[pieces, tokens]`."""
    total = Counter(token for row in rows for token in row)
    column = {token: i for i, token in enumerate(sorted(token for token, n in total.items() if n >= OFTEN))}
    found = np.zeros((len(rows), len(column)))
    for i, row in enumerate(rows):
        for token in row:
            if token in column:
                found[i, column[token]] += 1
    return found


def r2(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R^2 of the columns of `y` `[pieces, kinds]` by ridge regression on `x` `[pieces, tokens]`, each piece left out in turn.

    What a piece left out would be told is known without a refit: its residual divided by 1 - its leverage (Allen's PRESS).
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    solved = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), np.concatenate([x.T, x.T @ y], axis=1))
    leverage = 1 / len(x) + np.einsum("ij,ji->i", x, solved[:, : len(x)])  # 1 / n: the mean
    left_out = (y - x @ solved[:, len(x) :]) / (1 - leverage)[:, None]
    return 1 - np.square(left_out).sum(axis=0) / np.square(y).sum(axis=0)


def measured(pieces: list[str]) -> list[dict]:
    """A row of `COLUMNS` for each kind."""
    named = kinds()
    rows_of = [tokens(piece) for piece in pieces]
    values = np.array([[kind.scale * kind.score(row) for row in rows_of] for _, kind in named.values()]).T
    rows = []
    for (name, (of, kind)), reward, fit in zip(named.items(), values.T, r2(counts(rows_of), values), strict=True):
        share, sd = np.mean(reward != 0), reward.std()
        figures = {"share": f"{share:.3f}", "sd": f"{sd:.2f}", "r2": f"{fit:.2f}", "visible": int(fit >= VISIBLE)}
        rows.append({"set": of, "kind": name, "family": kind.family, "pays": kind.pays, **figures})
    return rows


def main() -> None:
    with (FOLDER / "kinds.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(measured(windows()))


if __name__ == "__main__":
    main()
