"""The overlays of the planted benchmark are those that its plan makes, and valid."""

import importlib
import sys
from pathlib import Path

import pytest
from workflow_runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks/planted"))
plan = importlib.import_module("plan")
validate = importlib.import_module("validate")


@pytest.mark.parametrize("name", list(plan.overlays()))
def test_an_overlay_is_what_the_plan_makes_and_loads(name):
    assert (ROOT / "config" / name).read_text(encoding="utf-8") == plan.overlays()[name]
    config = validate.config_of(name.removesuffix(".yaml"))
    assert config.layers == ((5,) if "imdb" in name else (plan.LAYER,)) and config.runs == 1


def test_every_kind_but_sealed_ones_is_tuned_on_twice_beside_sixty_twins():
    names = [pair.reward for pair in validate.config_of("validate").pairs]
    kinds = {name: of for name, (of, _) in plan.kinds().items()}
    assert set(names) - {*kinds, *(f"{name}-weak" for name in kinds)} == set(plan.twins()) and len(plan.twins()) == 60
    assert all((name in names and f"{name}-weak" in names) == (of != "sealed") for name, of in kinds.items())
    assert Path(validate.config_of("validate").results) == Path("results/validate")
