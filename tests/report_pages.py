"""Reports of made-up results, with hostile text in every place that text comes from."""

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd

from rewardscope.report import report
from rewardscope.report import sections as report_sections

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1><!--<b>\u202e\u2066\u0000\U0001f600'\"&amp;`${1}"
PAIR, TWIN = "pairs/tiny/utility/run1", "pairs/tiny/placebo/run1"
REWARD = {"words": "vader", "function": None, "classifier": None, "twin_of": None, "kind": None}
TABLE3 = {  # three RLHF runs on the reward and three on its twin
    "m_base": 45.1, "m_rlhf": 48.4, "difference": 3.2, "ci_low": -10.8, "ci_high": 17.3, "explainer": "tokens", "unit": "tuning run", "runs": 3,
    "sae_seeds": 6, "promotes_m_base": 36.4, "promotes_m_rlhf": 69.5, "promotes_difference": 33.1, "promotes_ci_low": 27.2, "promotes_ci_high": 38.9,
    "promotes_signed_base": 6.2, "promotes_signed_rlhf": 38.5, "promotes_signed_difference": 32.3, "promotes_signed_ci_low": 21.4,
    "promotes_signed_ci_high": 43.2, "promotes_signed_base_through_rlhf": 15.2, "promotes_signed_rlhf_through_base": 27.4, "promotes_signed_random_base": 2.0, "promotes_signed_random_rlhf": 9.5, "promotes_signed_net": 24.8,
    "promotes_signed_net_ci_low": 13.6, "promotes_signed_net_ci_high": 36.0, "promotes_signed_twin": 4.1, "promotes_signed_over_twin": 28.2,
    "promotes_signed_over_twin_ci_low": 15.5, "promotes_signed_over_twin_ci_high": 40.9, "promotes_signed_placebo_p": 0.0125,
    "promotes_recall_positive_base": 0.02, "promotes_recall_positive_rlhf": 0.11, "promotes_recall_negative_base": 0.03,
    "promotes_recall_negative_rlhf": 0.01, "promotes_recall_expected_base": 0.05, "promotes_recall_expected_rlhf": 0.04, "twin_runs": 3,
    "promotes_recall_positive_random_rlhf": 0.08, "promotes_recall_negative_random_rlhf": 0.02, "featureless": 0, "words_base": 20.0,
    "words_rlhf": 22.0, "twin": 1.1, "over_twin": 2.1, "over_twin_ci_low": -12.0, "over_twin_ci_high": 16.2,
}  # fmt: skip
STEP4 = {
    "layer": "total", "among": "top 30", "change": "found", "kept_at": "chance", "threshold": 0.83, "features": 60.0, "count": 9.67, "count_low": 7.0, "count_high": 12.4,
    "null": 4.0, "difference": 5.67, "ci_low": 3.12, "ci_high": 8.21, "sae_seeds": 6, "unit": "tuning run", "runs": 3, "random": 57.2, "net": -47.5, "net_ci_low": -51.0, "net_ci_high": -44.1, "twin": 4.9,
    "over_twin": 0.77, "over_twin_ci_low": -2.1, "over_twin_ci_high": 3.6, "featureless": 0,
}  # fmt: skip
TABLE4 = {
    "m_base": 111.0, "m_rlhf": 687.0, "difference": 576.0, "ci_low": 508.0, "ci_high": 644.0, "samples": 100, "runs": 3, "reward_base": -0.06,
    "reward_rlhf": 1.23, "reward_difference": 1.29, "reward_ci_low": 1.15, "reward_ci_high": 1.44, "reward_twin": 0.21, "reward_over_twin": 1.08,
    "reward_over_twin_ci_low": 0.84, "reward_over_twin_ci_high": 1.32, "reward_alone_base": -0.02, "reward_alone_rlhf": 1.27,
    "own_reward_difference": 1.29, "own_reward_ci_low": 1.15, "own_reward_ci_high": 1.44, "twin_runs": 3, "same": 0.0, "twin": 49.0, "kl": 8.3,
    "twin_kl": 7.6,
}  # fmt: skip
FINDING = {
    "method": "ppo", "mode": "with the reward", "contexts": "features", "rank": 1, "score": 13.2, "threshold": 4.5, "twin": 3.1, "shown": True, "runs": 3,
    "of_runs": 3, "seeds": 7, "of_seeds": 9, "gain": 0.86, "sentence": 'After "a" the tuned model writes more often "romance" (0.99 % to 15 %).',
    "more": "romance warmly", "less": "war", "example": "such a «romance»", "problem": "",
}  # fmt: skip
NONE = float("nan")
ENDS = ("_over_twin", "_over_twin_ci_low", "_over_twin_ci_high")
ALONE = {f"{of}{end}": NONE for of in ("promotes_signed", "reward") for end in ("_twin", *ENDS)} | {
    "twin_runs": 0,
    "twin": NONE,
    **{end[1:]: NONE for end in ENDS},
}  # other where there is no twin
TWIN3 = TABLE3 | ALONE | {
    "m_rlhf": 46.0, "difference": 0.9, "ci_low": -9.0, "ci_high": 10.8, "promotes_signed_rlhf": 10.3, "promotes_signed_difference": 4.1,
    "promotes_signed_ci_low": -3.2, "promotes_signed_ci_high": 11.4, "promotes_signed_random_rlhf": 5.5, "promotes_signed_net": 0.6,
    "promotes_signed_net_ci_low": -6.8, "promotes_signed_net_ci_high": 8.0, "promotes_signed_placebo_p": 0.61,
}  # fmt: skip
TWIN4 = TABLE4 | ALONE | {
    "kl": 7.6, "twin_kl": NONE,
    "m_rlhf": 160.0, "difference": 49.0, "ci_low": 12.0, "ci_high": 86.0, "reward_rlhf": 0.15, "reward_difference": 0.21, "reward_ci_low": -0.08,
    "reward_ci_high": 0.5, "reward_alone_rlhf": 0.19, "own_reward_difference": 1.41, "own_reward_ci_low": 1.12, "own_reward_ci_high": 1.7,
}  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes, and the text that is shown."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.text.append(text)


def completions(words: list[str], reward: float, hostile: str = "") -> pd.DataFrame:
    """Two prompts, each completed by `words`, which all have utility 2; the prompt adds nothing to the reward."""
    text = " ".join(words) + hostile
    return pd.DataFrame(
        {
            "document": [3, 8],
            "prefix": ["A film" + hostile] * 2,
            "completion": [" " + text] * 2,
            "words": [words] * 2,
            "utilities": [[2.0] * len(words)] * 2,
            **{name: [reward] * 2 for name in ("reward", "reward_alone", "own_reward")},
        }
    )


def scored(names: dict) -> list[dict]:
    """Rows of the table of scores: of one measure, the explanations' own and those of other features."""
    own = {
        "base": 0.47,
        "base_low": 0.45,
        "base_high": 0.49,
        "rlhf": 0.51,
        "rlhf_low": 0.47,
        "rlhf_high": 0.54,
        "difference": 0.03,
        "ci_low": -0.01,
        "ci_high": 0.06,
    }
    other = own | {"base": -0.01, "rlhf": 0.03}
    found = [("all", "own", own), ("all", "other", other), ("2", "own", own | {"base": 0.9})]
    return [{**names, "layer": layer, "scorer": "simulation", "measure": "correlation", "explanation": kind, **row} for layer, kind, row in found]


def findings(names: dict, twin: dict, hostile: str = "") -> pd.DataFrame:
    """Of a reward three findings that are shown and one that is not, beside random directions; of its twin none that is shown."""
    said = {"sentence": FINDING["sentence"] + hostile, "example": FINDING["example"] + hostile}
    rows = [{**names, **FINDING, **said, "rank": 1 + i, "score": score, "shown": score > 4.5} for i, score in enumerate((13.2, 9.0, 5.0, 2.0))]
    rows += [{**names, **FINDING, "contexts": "random directions", "score": 11.6}]
    return pd.DataFrame([*rows, {**twin, **FINDING, "score": 3.1, "twin": NONE, "shown": False}])


def feature(i: int, hostile: str = "") -> dict:
    """The i-th feature: sides alternate, layers 0 to 3, seeds 1 and 2; the larger i, the more has its direction changed."""
    side, other, layer, seed = ("base", "rlhf", "layer3", "seed1") if i % 2 else ("rlhf", "base", f"layer{i % 4}", f"seed{1 + i % 3 // 2}")
    return {
        "id": f"tiny/utility/run1/{side}/{layer}/{seed}/feature{i}", "place": 1 + i % 30, "of": 128, "cosine": 0.9, "null": {"covariance": 0.6, "gaussian": 0.7},
        "on": f'Fires on "word{i}".{hostile}', "makes": "", "up": [["love" + hostile, 0.9, 3.2], ["of", 0.5, None]], "down": [["hate", -0.4, -2.7]],
        "max": 12.5, "fires": 6, "hist": [3, 2, 0, 1], "win": [{"d": 7, "p": 1, "t": [0, 1, 2], "v": [0, 100, 40], "m": 0}],
        "uOn": 0.0, "uUp": float(i % 7), "near": f"tiny/utility/run1/{other}/{layer}/{seed}/feature{i + 1}", "nearCos": 0.95 - i / 4000, "change": [0.95, 0.95 - i / 4000],
        "seen": ["film"], "unseen": [f"word{i}"], "drawn": "100 strongest activations", "group": i, "same": [[1, int(seed[4:]), i]], "in": [1, 2, 1, 1],
        "rate": [0.1, 0.1 * (1 + i % 5)], "scores": {"simulation (correlation)": round(i % 100 / 100, 2)},
        "now": {"n": 40, "p": [["romance" + hostile, 0.0099, 0.15], ["war", 0.2, 0.099]]},
    }  # fmt: skip


def made_up(count: int, hostile: str = "") -> tuple[dict, dict]:
    """Page and data of a report with `count` features, of a reward and of its twin."""
    names, twin = {"model": "tiny", "reward": "utility"}, {"model": "tiny", "reward": "placebo"}
    tables = {
        "tables/table3.csv": pd.DataFrame([names | TABLE3, twin | TWIN3]),
        "tables/table4.csv": pd.DataFrame([names | TABLE4 | {"note": hostile}, twin | TWIN4]),
    }
    tables |= {"tables/step4.csv": pd.DataFrame([names | STEP4]), "tables/scores.csv": pd.DataFrame(scored(names))}
    tables["tables/findings.csv"] = findings(names, twin, hostile)
    updates = pd.DataFrame({"method": "ppo", "update": [1, 2, 3], "reward": [0.0, 0.2, 0.5], "kl": [-1e-8, 1.0, 2.0]})
    data = {"tokens": {"tiny": ["The", " film" + hostile, "\n."]}, "features": [feature(i, hostile) for i in range(count)]}
    pairs = [PAIR, TWIN]
    page = report_sections.page(
        pairs, dict.fromkeys(pairs, {"top1": 3}), tables,
        {PAIR: [completions(["bad"], -0.1, hostile), completions(["love", "best"], 1.2, hostile)], TWIN: [completions(["bad"], -0.1)] * 2},
        dict.fromkeys(pairs, {"love": 2.0, "best": 2.0, "bad": 2.0}), data["features"],
        {PAIR: REWARD, TWIN: {"twin_of": "utility", "kind": "words"}},
        training={PAIR: updates}, divergence=dict.fromkeys(pairs, pd.DataFrame({"layer": [0, 1], "distance": [2.0, 3.0]})), pictures=[],
        chain=SimpleNamespace(jobs=[], given={}, gone=[], broken=[]), config=f"text: {hostile}", twins={"placebo": "utility"}, prompted=[PAIR],
    )  # fmt: skip
    return page, data


def html(count: int, hostile: str = "") -> str:
    """A report with `count` features."""
    return report.render(*made_up(count, hostile))


def fires(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    """Feature 5's activations: (document, position, value)."""
    frame = pd.DataFrame(rows, columns=["document", "position", "value"]).astype({"value": np.float32})
    return frame.assign(feature=5)
