"""The plot of docs/performance.md: `python benchmarks/plot.py sae.json extraction.json docs/figures/performance`."""

import argparse
import json
import statistics
from pathlib import Path

from rewardscope.figures import plots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sae", type=Path, help="of benchmarks/sae_training.py --json")
    parser.add_argument("extraction", type=Path, help="of benchmarks/extraction.py --json")
    parser.add_argument("out", type=Path, help="without its ending")
    arguments = parser.parse_args()
    rows = [row for row in json.loads(arguments.sae.read_text()) if row["name"].endswith(", untied")]
    rates = json.loads(arguments.extraction.read_text())
    with plots.house():
        figure, ((trained, random, extraction),) = plots.panels(1, 3, height=2.8)
        for axes, start in ((trained, "trained"), (random, "random")):
            chosen = [row for row in rows if row["start"] == start]
            names = list(dict.fromkeys(row["name"].removesuffix(", untied") for row in chosen))
            for i, (d, width) in enumerate(dict.fromkeys((row["d"], row["width"]) for row in chosen)):
                ratios = {row["name"].removesuffix(", untied"): row["ratio"] for row in chosen if (row["d"], row["width"]) == (d, width)}
                look = plots.look(i) | {"linestyle": ""}
                axes.plot(
                    [ratios.get(name, float("nan")) for name in names],
                    [n + 0.2 * (i - 1) for n in range(len(names))],
                    label=f"{d} to {width} features",
                    **look,
                )
            _rows(axes, names, f"SAE training,\n{start} start (x eager)")
        naive = statistics.median(rates["naive fp32"])
        for i, found in enumerate(rates.values()):
            middle = statistics.median(found)
            extraction.errorbar(
                middle / naive, i, xerr=[[(middle - min(found)) / naive], [(max(found) - middle) / naive]], color=plots.INK, marker="o"
            )
        _rows(extraction, list(rates), "Extraction, five\nlayers (x naive)")
        random.set_yticklabels([])  # those of its neighbour
        plots.legend(figure)
    plots.save(figure, arguments.out.with_suffix(".svg"), arguments.out.with_suffix(".png"))


def _rows(axes, names: list[str], title: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08 * axes.get_xlim()[1])
    axes.set_title(title)
    axes.axvline(1, color=plots.INK, linewidth=0.8)


if __name__ == "__main__":
    main()
