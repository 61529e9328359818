"""Config files as text: the line of a mistake that Snakemake's loader leaves unsaid."""
from pathlib import Path

import yaml

from rewardscope.errors import UserError


def check_text(path: str | Path) -> None:
    """Raises UserError, with file and line, for a file that is no YAML map, or that gives a key twice in one map.

    YAML loaders keep the last of two equal keys and say nothing.
    """
    if Path(path).suffix == ".json":  # which may hold tabs, as YAML may not
        return
    try:
        text = Path(path).read_bytes().decode()
        root = yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"config: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"config: {path}, line {1 + error.object[: error.start].count(10)}: this is not UTF-8") from error
    except yaml.reader.ReaderError as error:
        raise UserError(f"config: {path}, line {1 + text[: error.position].count(chr(10))}: a control character") from error
    except yaml.MarkedYAMLError as error:
        raise UserError(f"config: {path}, line {error.problem_mark.line + 1}: this is not YAML ({error.problem})") from error
    except RecursionError as error:
        raise UserError(f"config: {path} is nested too deep") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"config: {path} must hold a map, `key: value`")
    todo: list[yaml.Node] = [root]
    seen: set[int] = set()  # an alias is the node that it names: each is looked at once
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.CollectionNode) and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                _no_key_twice(node, path)
            todo += [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value


def _no_key_twice(node: yaml.MappingNode, path: str | Path) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise UserError(f"config: {path}, line {line}: {key.value} is given twice (line {lines[name]}); remove one of them")
            lines[name] = line
