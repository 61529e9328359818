"""Figure 3: divergence per layer, over runs."""

import pandas as pd

from rewardscope.figures import figure3


def run(*distances) -> pd.DataFrame:
    """Two tensors a layer."""
    rows = [(layer, tensor, d) for layer, both in enumerate(distances) for tensor, d in zip("ab", both, strict=True)]
    return pd.DataFrame(rows, columns=["layer", "tensor", "distance"])


RUNS = [
    ("tiny", "utility", run((1.0, 2.0), (0.5, 0.5))),
    ("tiny", "utility", run((3.0, 2.0), (1.0, 0.0))),
    ("large", "utility", run((1.0, 1.0), (1.0, 2.0), (4.0, 4.0))),
    ("tiny", "other", run((0.0, 1.0), (2.0, 0.0))),
]


def test_points_by_hand():
    expected = [
        ("tiny", "utility", 0, 4.0, 3.0, 5.0, 2),
        ("tiny", "utility", 1, 1.0, 1.0, 1.0, 2),
        ("large", "utility", 0, 2.0, 2.0, 2.0, 1),
        ("large", "utility", 1, 3.0, 3.0, 3.0, 1),
        ("large", "utility", 2, 8.0, 8.0, 8.0, 1),
        ("tiny", "other", 0, 1.0, 1.0, 1.0, 1),
        ("tiny", "other", 1, 2.0, 2.0, 2.0, 1),
    ]
    found = figure3.points(RUNS)
    assert list(found) == figure3.COLUMNS
    assert list(found.itertuples(index=False, name=None)) == expected


def test_a_panel_per_model_and_a_line_per_reward():
    figure = figure3.draw(figure3.points(RUNS))
    assert [axes.get_title() for axes in figure.axes] == ["tiny", "large"]
    lines = [[container.lines[0].get_ydata().tolist() for container in axes.containers] for axes in figure.axes]
    assert lines == [[[4.0, 1.0], [1.0, 2.0]], [[2.0, 3.0, 8.0]]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["utility", "other"]
    three = figure3.draw(figure3.points([*RUNS, ("third", "utility", run((1.0, 1.0)))]))
    assert [axes.get_title() for axes in three.axes] == ["tiny", "large", "third"]  # the fourth place is empty
