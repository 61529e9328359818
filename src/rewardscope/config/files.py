"""Config files as text: the line of a mistake that Snakemake's loader leaves unsaid."""

import json
from pathlib import Path

import yaml

from rewardscope.errors import UserError

DEEPEST = 50  # levels of maps and lists; the config itself has six, and further on every level costs calls of Python's limited stack


class _Wrong(yaml.MarkedYAMLError):
    """What YAML allows and a config file may not hold."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice in one map (YAML loaders keep the last one and say nothing), an alias within itself, depth without end."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and (node := self.anchors.get(event.anchor)) and node.end_mark is None:
            raise _Wrong(
                problem=f"*{event.anchor} stands inside &{event.anchor}, for which it stands; write out what is meant", problem_mark=event.start_mark
            )
        if self.depth == DEEPEST:
            raise _Wrong(problem=f"nested more than {DEEPEST} levels deep", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if (name := (key.tag, key.value)) in lines:
                    raise _Wrong(problem=f"{key.value} is given twice (line {lines[name]}); remove one of them", problem_mark=key.start_mark)
                lines[name] = key.start_mark.line + 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date that is none, a number of thousands of digits
            raise _Wrong(problem=f"this is not YAML ({error})", problem_mark=node.start_mark) from error


def check_text(path: str | Path) -> None:
    """Raises UserError, with file and line, for a file that is no YAML or JSON map, or that gives a key twice in one map."""
    try:
        text = Path(path).read_bytes().decode()
        if _is_json(text, needed=Path(path).suffix == ".json"):
            text = text.replace("\t", " ")  # there outside of strings alone, and in YAML nowhere
        loader = _Loader(text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            loader.construct_document(node)
            return
        wrong = " must hold a map, `key: value`"
    except OSError as error:
        wrong = f" cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        wrong = f", line {error.object.count(10, 0, error.start) + 1}: this is not UTF-8"
    except json.JSONDecodeError as error:
        wrong = f", line {error.lineno}: this is not JSON ({error.msg})"
    except yaml.reader.ReaderError as error:
        wrong = f", line {text.count(chr(10), 0, error.position) + 1}: a control character"
    except yaml.MarkedYAMLError as error:
        wrong = f", line {error.problem_mark.line + 1}: {error.problem if isinstance(error, _Wrong) else f'this is not YAML ({error.problem})'}"
    raise UserError(f"config: {path}{wrong}")


def _is_json(text: str, needed: bool) -> bool:
    """As Snakemake sees it, which tries JSON first; raises JSONDecodeError where it is `needed`."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        if needed and text.strip():
            raise
        return False
    except (ValueError, RecursionError):  # a huge number, depth: told with its line as YAML, which JSON is a part of
        pass
    return True
