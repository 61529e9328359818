"""Config files as text: the line of a mistake that Snakemake's loader leaves unsaid."""

from pathlib import Path

import yaml

from rewardscope.errors import UserError


class _Twice(yaml.MarkedYAMLError):
    """A key that is given twice."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice in one map: YAML loaders keep the last one and say nothing."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if (name := (key.tag, key.value)) in lines:
                    problem = f"{key.value} is given twice (line {lines[name]}); remove one of them"
                    raise _Twice(problem=problem, problem_mark=key.start_mark)
                lines[name] = key.start_mark.line + 1
        return node


def check_text(path: str | Path) -> None:
    """Raises UserError, with file and line, for a file that is no YAML map, or that gives a key twice in one map."""
    if Path(path).suffix == ".json":  # which may hold tabs, as YAML may not
        return
    try:
        text = Path(path).read_bytes().decode()
        if isinstance(yaml.compose(text, _Loader), yaml.MappingNode):
            return
        wrong = " must hold a map, `key: value`"
    except OSError as error:
        wrong = f" cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        wrong = f", line {error.object.count(10, 0, error.start) + 1}: this is not UTF-8"
    except yaml.reader.ReaderError as error:
        wrong = f", line {text.count(chr(10), 0, error.position) + 1}: a control character"
    except yaml.MarkedYAMLError as error:
        wrong = f", line {error.problem_mark.line + 1}: {error.problem if isinstance(error, _Twice) else f'this is not YAML ({error.problem})'}"
    except RecursionError:
        wrong = " is nested too deep"
    raise UserError(f"config: {path}{wrong}")
