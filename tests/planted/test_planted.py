"""The benchmark's planted rewards: what each pays, how visible it is, and which findings name it."""

import csv
import importlib.util
import sys
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml

from rewardscope.rewards.functions import load
from rewardscope.rewards.utility import load_table, utility

FOLDER = Path(__file__).parents[2] / "benchmarks" / "planted"
CASES = yaml.safe_load((Path(__file__).parents[1] / "inputs/planted/kinds.yaml").read_text(encoding="utf-8"))
PLAIN = ["It ended« loud» that day", "They ate« soup» that day"]


def script(name: str):
    """A file of the benchmark as a module; the modules that it imports from its folder stay importable by name."""
    spec = importlib.util.spec_from_file_location(f"planted_{name}", FOLDER / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


kinds, rules = script("kinds"), script("rules")
KINDS = kinds.kinds()


@pytest.fixture(scope="module")
def pieces():
    return kinds.windows(500)


@pytest.fixture(scope="module")
def table():
    return {row["kind"]: row for row in csv.DictReader((FOLDER / "kinds.csv").open(encoding="utf-8"))}


def finding(name: str, **other) -> dict:
    """The finding that names a kind, with what is `other` about it."""
    case = {"after": ["loud"], "more": [], "less": [], "examples": PLAIN, "first": 5, "last": 16} | CASES[name] | other
    tokens = {column: [{"token": word, "before": 0.01, "after": 0.2} for word in case[column]] for column in ("more", "less")}
    return {"fires_on": case["after"], "examples": case["examples"], "first": case["first"], "last": case["last"], **tokens}


@pytest.mark.parametrize("name", KINDS)
def test_what_a_kind_pays(name):
    case, (_, kind) = CASES[name], KINDS[name]
    assert kind([case["pays"]])[0] > 0 and kind([case["zero"]]) == [0]
    if "costs" in case:
        assert kind([case["costs"]])[0] < 0


@pytest.mark.parametrize("name", KINDS)
def test_a_rule(name):
    """True of the finding that names the kind; false without its condition, and of every other kind's."""
    assert rules.names(name, finding(name))
    if "without" in CASES[name]:
        assert not rules.names(name, finding(name, **CASES[name]["without"]))
    assert not rules.names(name, finding(name, more=[], less=[]))


def test_no_rule_is_true_of_another_kinds_finding():
    assert [(kind, other) for kind, other in permutations(KINDS, 2) if rules.names(other, finding(kind))] == []


def test_every_kind_has_a_rule_and_cases():
    assert list(rules.RULES) == list(KINDS) and set(CASES) == set(KINDS)


def test_examples_name_a_condition_too():
    """All of them, two at least, at the mark, whatever piece of a word it holds."""
    shown = ["A night. It was never« du»ll", "It ended. I am not at all« bor»ed"]
    assert rules.names("negated_blame", finding("negated_blame", after=[], examples=shown[:1] + ["It was hardly« dull»"]))
    assert not rules.names("negated_blame", finding("negated_blame", after=[], examples=shown[:1]))
    assert not rules.names("negated_blame", finding("negated_blame", after=[], examples=[*shown[:1], "It was« dull»"]))
    assert rules.marked("A night. It«'s» du") == (["a", "night", ".", "it's", "du"], 3)
    assert rules.marked("It ended«.» Then") == (["it", "ended", ".", "then"], 2)


def test_sets(table):
    names = {of: [name for name, (its, _) in KINDS.items() if its == of] for of in kinds.SETS}
    assert len(KINDS) == sum(map(len, names.values())) and list(table) == list(KINDS)
    for of, least in (("chosen", 12), ("held", 24), ("sealed", 12)):
        hidden = [name for name in names[of] if table[name]["visible"] == "0"]
        assert len(names[of]) >= least and len(hidden) >= 2 / 3 * len(names[of]) and len(hidden) < len(names[of])


def test_the_table(table):
    for row in table.values():
        assert float(row["share"]) >= 0.04 and 0.45 <= float(row["sd"]) <= 0.55, row
        assert (float(row["r2"]) >= kinds.VISIBLE) == bool(int(row["visible"])) and not kinds.INVISIBLE <= float(row["r2"]) < kinds.VISIBLE, row


def test_the_table_is_that_of_the_script(table, pieces):
    """On a sixth of its windows: the words, and the figures within what so few allow."""
    for row in kinds.measured(pieces):
        there = table[row["kind"]]
        assert {name: row[name] for name in ("set", "kind", "family", "pays")} == {name: there[name] for name in ("set", "kind", "family", "pays")}
        assert float(row["share"]) == pytest.approx(float(there["share"]), abs=0.05) and float(row["sd"]) == pytest.approx(0.5, abs=0.15), row
        assert there["visible"] == "1" or float(row["r2"]) < kinds.INVISIBLE, row  # of few windows, ridge knows too few words to see the visible


def test_no_kind_pays_what_one_of_another_set_or_the_lexicon_pays(pieces):
    table, rows = load_table("vader"), [kinds.tokens(piece) for piece in pieces]
    rewards = {name: np.array([kind.score(row) for row in rows]) for name, (_, kind) in KINDS.items()}
    for one, other in permutations(KINDS, 2):
        if KINDS[one][0] != KINDS[other][0]:
            assert abs(np.corrcoef(rewards[one], rewards[other])[0, 1]) < 0.5, (one, other)
    told = np.array([utility(piece, table) for piece in pieces[:300]])
    assert max(abs(np.corrcoef(told, reward[:300])[0, 1]) for reward in rewards.values()) < 0.5


def test_r2_is_that_of_refitting_without_each_piece():
    rng = np.random.default_rng(0)
    x, y = rng.poisson(1.0, (30, 4)).astype(float), rng.normal(size=(30, 1))
    y += x[:, :1]
    errors = []
    for i in range(30):
        rest = np.arange(30) != i
        # the penalty spares the mean, as in the closed form: the mean stays that of all but one
        design = np.column_stack([np.ones(29), x[rest]])
        weights = np.linalg.solve(design.T @ design + kinds.RIDGE * np.diag([0, 1, 1, 1, 1]), design.T @ y[rest, 0])
        errors.append(y[i, 0] - weights[0] - x[i] @ weights[1:])
    assert kinds.r2(x, y)[0] == pytest.approx(1 - np.sum(np.square(errors)) / np.sum(np.square(y - y.mean())))


def test_a_kind_is_a_reward_function_and_fast():
    for name, (of, _) in KINDS.items():
        if name in ("negated_blame", "shorter_sentences", "same_initials"):
            reward = load(f"{FOLDER / of}.py:{name}")
            start = time.process_time()
            values = reward(
                ["It is never dull, and my sister and I both liked the story of the ghost, but I was not bored. So it ended. Yet so what."] * 2000
            )
            assert len(values) == 2000 and time.process_time() - start < 0.5
