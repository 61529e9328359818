"""The README of an export: a Hugging Face card with a YAML header, what lies in the folder, and the data dictionary."""

import pandas as pd
import yaml

from rewardscope.export.frames import TABLES
from rewardscope.text import markdown

OF = {
    "saes": "A row an autoencoder: where it is from, how good it is.",
    "features": "A row a feature of the small dictionaries: how well the large one has it too.",
    "explanations": "A row an explanation of a feature.",
    "findings": "What tuning changed, over runs, beside what it must exceed. Only rows that are `shown` are findings.",
}
_TEXT = """
# Autoencoders of a base and a tuned model

Made by Rewardscope: sparse autoencoders on the activations of a language model before and after tuning, the features that
a small and a large dictionary agree on, explanations of them, and what tuning changed. A name of a reward says what a pair was
tuned on or is read with; it does not say that the model learned it.

## Models

{models}

Activations are {at}. Special tokens, padding and the first position of a document were left out.

## Autoencoders

{count} folders that SAELens (6) reads (`saes.parquet` has their paths): features are ReLU(x W_enc + b_enc) of activations as they are. A tied decoder
is stored a second time.{given}

```python
from sae_lens import SAE

sae = SAE.load_from_disk("{example}")
```

Medians over places and seeds, on held documents:

{quality}

## Tables
"""

_GIVEN = " Those of {} were trained elsewhere and given (`given` in `saes.parquet` and in their `cfg.json`): their makers' licence holds for them."


def card(saes: pd.DataFrame, tuned: dict[str, str], hub: list[str], at: str) -> str:
    """The text of the card. `saes`: as `frames.saes`; `tuned`: pair -> how its tuned model came to be;
    `hub`: names on the hub of the base models that have one; `at`: what was read, `mlp` or `residual`."""
    header = {
        "tags": ["sparse-autoencoder", "interpretability", "saelens", "rewardscope"],
        "library_name": "saelens",
        **({"base_model": hub} if hub else {}),
        "configs": [{"config_name": table, "data_files": f"{table}.parquet"} for table in TABLES],
    }
    medians = saes.groupby(["model", "side", "recipe", "width"], as_index=False)[["fvu", "l0", "dead"]].median()
    medians.insert(4, "autoencoders", saes.groupby(["model", "side", "recipe", "width"]).size().to_numpy())
    text = _TEXT.format(
        models=markdown(["pair", "tuned model"], [[pair.removeprefix("pairs/"), how] for pair, how in tuned.items()]),
        at={"mlp": "what a block's MLP adds to the residual stream", "residual": "the residual stream behind a block"}[at],
        count=len(saes),
        given=_GIVEN.format(", ".join(given)) if (given := saes.loc[saes["given"], "recipe"].unique().tolist()) else "",
        example=saes["path"].iloc[0],
        quality=markdown(
            list(medians), [[f"{v:.3g}" if isinstance(v, float) else v for v in row] for row in medians.to_numpy(dtype=object).tolist()]
        ),
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{text}\n" + "\n".join(_dictionary(table) for table in TABLES)


def _dictionary(table: str) -> str:
    rows = [[f"`{name}`", f"`{kind}`", meaning] for name, (kind, meaning) in TABLES[table].items()]
    return f"### `{table}.parquet`\n\n{OF[table]}\n\n{markdown(['column', 'type', 'meaning'], rows)}\n"
