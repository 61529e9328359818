"""Rewardscope: what did the tuned model really learn to like?

Nothing is imported here: a stage pays only for what it imports itself. What a user of the Python API takes from here
(docs/python.md) is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rewardscope.export.results import open_results as open
    from rewardscope.export.saelens import load_sae
    from rewardscope.models.models import promoted as promotes
    from rewardscope.sae.match import mmcs

__version__ = "0.1.0"
__all__ = ["load_sae", "mmcs", "open", "promotes"]  # `__getattr__` has them
_HOMES = {
    "load_sae": ("export.saelens", "load_sae"),
    "mmcs": ("sae.match", "mmcs"),
    "open": ("export.results", "open_results"),
    "promotes": ("models.models", "promoted"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
