"""The types of the configuration's values, and what every section of it does."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from rewardscope.config.wording import show, unknown

T = TypeVar("T")
SAFE = re.compile(r"""[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{}'"<>$`]+""")  # free of Snakemake's and the shell's syntax
HUB = r"\w[\w.-]*(/\w[\w.-]*)?"
NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a folder and a Snakemake wildcard
ENDLESS = re.compile(r"(.+)\1{19}$")  # Snakemake takes such a wildcard for a loop


def unusable(name: object) -> str:
    """Why a name can stand in no path, in words; empty where it can."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return "a name is up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no two dots in a row"
    return "it ends with the same letters 20 times" if ENDLESS.search(name) else ""


def _text(pattern: str, wanted: str) -> Any:
    """The type of a text that matches `pattern`; `wanted` ends the sentence "it must be ..."."""

    def check(value: str) -> str:
        if not SAFE.fullmatch(value):
            raise ValueError(f" is {show(value)}; it must be text without quotes, braces, <, >, $, ` and control characters")
        if not re.fullmatch(pattern, value):
            raise ValueError(f" is {show(value)}; it must be {wanted}")
        return value

    return Annotated[str, AfterValidator(check)]


def _name(library: str) -> Any:
    """The type of a name that `library` holds; `load` gives the libraries' entries as the context of the validation."""

    def check(value: str, info: ValidationInfo) -> str:
        if value not in info.context.get(library, [value]):  # a library that is no map is told of at its own place
            raise ValueError(unknown(value, library, info.context[library]))
        return value

    return Annotated[str, AfterValidator(check)]


def _new_name(value: str, info: ValidationInfo) -> str:
    if why := unusable(value):
        raise ValueError(f" is {show(value)}, which is not a usable name; {why}")
    if value in info.context.get("rewards", ()):
        raise ValueError(f" is {value}, which is under rewards; it must be another name, or reward: {value}")
    return value


def _or_name(value: str | None, info: ValidationInfo) -> str | None:
    return info.data.get("name") if value is None else value


def _results(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or value.startswith("~"):
        raise ValueError(f" is {show(value)}; it must be a folder below this one: a relative path without ..")
    return str(path)


Whole = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
AtLeast2 = Annotated[Whole, Field(ge=2)]
Vocabulary = Annotated[Whole, Field(ge=258)]  # 256 bytes, end, padding
Count = Annotated[int, Field(ge=1, le=1000)]  # multiplies the jobs of a run: a slip must not hang the planning
Positive = Annotated[float, Field(gt=0)]
NotNegativeNumber = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Plain = _text(r"\S(.*\S)?", "text without spaces around it")
Data = _text(r".+\.(parquet|csv|jsonl|txt)", "a .parquet, .csv, .jsonl or .txt file")
Pairs = _text(r".+\.(parquet|jsonl)", "a .parquet or .jsonl file")
Hub = _text(HUB, "a name on the hub, such as org/name")
Address = _text(r"https?://[^@\s?#]+", "http:// or https:// and a server; a key belongs into OPENAI_API_KEY")
Lexicon = _text(r"vader|.+\.csv", "vader or a .csv file with the columns word,utility")
ModelName, RewardName, CorpusName, RecipeName = map(_name, ("models", "rewards", "corpora", "sae_recipes"))
NewName = Annotated[str, AfterValidator(_new_name)]
RewardOrName = Annotated[RewardName | None, AfterValidator(_or_name)]  # of a section whose `name` stands before it
Function = _text(r".+\.py:[^\W\d]\w*", "a Python function as file.py:name")
Precision = Literal["float32", "bfloat16", "auto"]  # auto: bfloat16 where the device multiplies it in hardware
Target = Literal[  # the keys of TARGETS in workflow/rules
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "figure3", "figure4", "section5.3", "section6.1", "section6.2",
    "quality", "dictionaries", "comparison", "step4", "probe", "perplexity", "accuracy", "scores", "findings", "crosscoder", "causes", "methods",
    "export", "report",
]  # fmt: skip
Results = Annotated[Plain, AfterValidator(_results)]
Library = Annotated[dict[str, T], AfterValidator(MappingProxyType), PlainSerializer(dict)]


class Section(BaseModel):
    """A map of the config: strict types, no further keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: object) -> object:  # `extra` alone does not say which keys there are
        if isinstance(value, Mapping) and (others := [key for key in value if key not in cls.model_fields]):
            raise PydanticCustomError("unknown_keys", "unknown keys", {"unknown": others, "known": list(cls.model_fields)})
        return value

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if texts := list(self.misfits()):
            raise PydanticCustomError("misfits", "values that do not fit each other", {"texts": texts})
        return self

    def misfits(self) -> Iterator[str]:
        """What is wrong between values that are right by themselves."""
        yield from ()

    def _multiple(self, key: str, of: str) -> Iterator[str]:
        n, part = dict(self)[key], dict(self)[of]
        if n % part:
            yield f".{key} is {n}; it must be a multiple of {of} ({part})"

    def _one_of(self, *sources: str) -> Iterator[str]:
        given = [key for key in sources if dict(self)[key] is not None]
        if len(given) != 1 and given != ["path", "hub"]:  # a local copy of what the hub holds
            yield f" has {' and '.join(given) or 'no source'}; it must have one of {', '.join(sources)}"
        if dict(self).get("revision") and not dict(self)["hub"]:
            yield f".revision is {show(dict(self)['revision'])}; it needs hub"
