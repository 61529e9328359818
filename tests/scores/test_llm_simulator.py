"""Requests to a simulating language model, and what is read of its answers, right and wrong."""

import json
import math

import numpy as np
import pytest
from fake_llm import CASES

from rewardscope.explain import answers, prompts
from rewardscope.scores.llm_simulator import detect, numbers, simulate

PROMPTS = {kind: prompts.load(prompts.FOLDER / f"{kind}.txt", kind) for kind in prompts.SCORING.values()}


def answer(text: str | None, logprobs: list | None = None) -> answers.Answer:
    return answers.read({"choices": [{"message": {"content": text}, "logprobs": logprobs and {"content": logprobs}}]})


def token(text: str, **chances: float) -> dict:
    """A token of an answer with the chances of it and of others; a `_` in a name is a space."""
    top = [{"token": name.removeprefix("n").replace("_", " "), "logprob": math.log(p)} for name, p in chances.items()]
    return {"token": text, "logprob": math.log(chances.get(f"n{text}".replace(" ", "_"), 1.0)), "top_logprobs": top}


def test_simulate():
    request = simulate(PROMPTS["simulate"], 'Fires on "{items}"', [" the", '\n"', "film"], 37)
    said = request["messages"][0]["content"]
    assert 'Fires on "{items}"' in said and "begins at token 37" in said and "each of the 3 tokens" in said
    assert '1: " the"\n2: "\\n\\""\n3: "film"' in said and said.count("{") == 1  # the explanation's own
    assert request["temperature"] == 0 and request["max_tokens"] >= 3 * len("10: 10") / 2 and request["logprobs"] is True


def test_detect():
    request = detect(PROMPTS["detect"], "", [[" a", " film"], ["x", "y"]])
    assert '1: " a film"\n2: "xy"' in request["messages"][0]["content"] and "(empty)" in request["messages"][0]["content"]


def test_nothing_tells_the_side():
    for said in (json.dumps(detect(PROMPTS["detect"], "E", [["x"]])), json.dumps(simulate(PROMPTS["simulate"], "E", ["x"], 1))):
        assert not [word for word in ("base", "rlhf", "tuned", "reward", "layer") if word in said.lower()]


@pytest.mark.parametrize("text", ["1: 0\n2: 10\n3: 7", "1. 0\n2) 10\n3 : 7\n", "Here you are:\n1: 0\n2: 10\n3: 7\nThat is all."])
def test_plain_numbers(text):
    assert numbers(answer(text), 3).tolist() == [0, 10, 7]


FAILURES = {
    "prose": "The feature seems to be active on the second token.",
    "refusal": None,
    "empty": "",
    "cut off": "1: 0\n2: 1",
    "too many": "1: 0\n2: 1\n3: 2\n4: 3",
    "another order": "2: 0\n1: 1\n3: 2",
    "twice": "1: 0\n1: 0\n2: 1\n3: 2",
    "off the scale": "1: 0\n2: 11\n3: 2",
    "negative": "1: 0\n2: -1\n3: 2",
    "a fraction": "1: 0\n2: 0.5\n3: 2",
    "numbers alone": "0\n1\n2",
}


@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_parsed_is_nan(text):
    assert np.isnan(numbers(answer(text), 3)).all()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "numbers" in case])
def test_what_comes_beside_the_numbers_loses_none(name):
    """Files of tests/inputs/answers: a number without sound log-probabilities is taken as it is, the others by theirs."""
    assert numbers(answers.read(CASES[name]["response"]), 2) == pytest.approx(CASES[name]["numbers"])


@pytest.mark.parametrize("name", ["numbers_cut_off", "think_without_end", "tool_calls", "content_number"])
def test_what_is_no_answer_has_no_numbers(name):
    assert np.isnan(numbers(answers.read(CASES[name]["response"]), 2)).all()


def test_expected_values():
    """Alternatives off the scale do not count; a space before the number is the number's."""
    said = [
        token("1"), token(":"), token(" 4", n_4=0.5, n_8=0.3, n_maybe=0.2), token("\n"),
        token("2"), token(": "), token("0", n0=0.6, n10=0.3, n11=0.1), token("\n3:"), token(" 2"), token("<end>"),
    ]  # fmt: skip
    text = "1: 4\n2: 0\n3: 2"
    assert numbers(answer(text, said), 3) == pytest.approx([(0.5 * 4 + 0.3 * 8) / 0.8, 3 / 0.9, 2])
    assert numbers(answer(text), 3).tolist() == [4, 0, 2]


def test_a_number_of_two_tokens_is_taken_plainly():
    said = [token("1: "), token("1", n1=0.9, n7=0.1), token("0", n0=1.0)]
    assert numbers(answer("1: 10", said), 1).tolist() == [10]


def test_logprobs_of_another_text_are_left_alone():
    assert numbers(answer("1: 4", [token("1: "), token("5", n5=1.0)]), 1).tolist() == [4]
