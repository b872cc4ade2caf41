"""The page of every setting: name, type, default, environment variable, and its meaning as `config.sections` has it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from scripts.reference.markdown import code, one_line, page, table
from scripts.reference.sources import field_meanings

from tollkeeper import config
from tollkeeper.config import sections

_MEBI, _KIBI = 1 << 20, 1 << 10
_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false"}
_LISTS = {str: "list of texts", int: "list of integers"}
_UNITS = {"_s": "seconds", "_bytes_max": "bytes", "_bytes": "bytes"}

INTRODUCTION = f"""\
Settings come from a TOML file and from the environment; the environment wins, and options of
[`tollkeeper serve`](cli.md#tollkeeper-serve) win over both. The file is the one given with `--config`, else the one
that `{config.CONFIG_VARIABLE}` names, else `./{config.USUAL_FILE}` if it is there. An unknown name is an error, in the
file and in the environment. A change takes effect at the next start. In the environment a list is written with commas:
`10.0.0.0/8,192.0.2.7`. A command is a list of the program and its arguments, such as
`["op", "read", "op://ops/openai/key"]`; no shell reads it, it has 10 seconds, and only the file can set it. A secret's
file that anybody may write is refused, one that anybody may read is warned of."""

EXAMPLE = """\
```toml
[server]
port = 8080
workers = 2

[database]
url = "postgresql://tollkeeper@db.internal/tollkeeper"

[journal]
directory = "/var/lib/tollkeeper/journal"
durability = "safe"

[[providers]]
name = "local"
kind = "openai_compatible"
base_url = "http://127.0.0.1:11434/v1"

[[models]]
name = "fast"
deployments = [{ provider = "local", model = "llama3" }]
```"""

ENVIRONMENT = """\
## Further variables

`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (upper or lower case) are followed towards providers. These providers need no
entry once their variable is set:"""


_BY_NAME = ".NAME"
"""What stands behind the name of a section that has a table for each name."""


class Setting(msgspec.Struct, frozen=True):
    """One row of the page. `variable` is "" where only the file can say it: commands, and lists of tables."""

    section: str
    name: str
    type: str
    default: str
    variable: str
    meaning: str


def render() -> str:
    """Return the page."""
    usual = table(
        ("variable", "provider", "base URL"),
        [(code(variable), name, code(url)) for name, _, url, variable in config.USUAL_PROVIDERS],
    )
    return page("Configuration", INTRODUCTION, EXAMPLE, *_sections(), ENVIRONMENT, usual)


def settings() -> Iterator[Setting]:
    """Yield every setting there is, section by section."""
    meanings = field_meanings(sections)
    for heading, kind, is_list in section_types():
        for field in msgspec.structs.fields(kind):
            is_file_only = is_list or field.name.endswith(config.FILE_ONLY_ENDING)
            in_environment = f"{config.ENVIRONMENT_PREFIX}{heading}__{field.name}".upper()
            yield Setting(
                heading,
                field.name,
                _type(field.name, field.type),
                "required" if field.required else _default(field.default),
                "" if is_file_only else in_environment,
                meanings[kind.__name__].get(field.name, ""),
            )


def section_types() -> Iterator[tuple[str, type[config.Section], bool]]:
    """Yield (name, class, whether it is a list of tables) for every section, the entries of lists included."""
    for field in msgspec.structs.fields(config.Settings):
        kind = _entry(field.type)
        yield field.name + (_BY_NAME if get_origin(field.type) is dict else ""), kind or field.type, kind is not None
        for inner in msgspec.structs.fields(kind) if kind else ():
            if (nested := _entry(inner.type)) is not None:
                yield f"{field.name}.{inner.name}", nested, True


def _sections() -> Iterator[str]:
    rows = list(settings())
    for heading, kind, is_list in section_types():
        is_inner = "." in heading and not heading.endswith(_BY_NAME)
        is_array = is_list and not heading.endswith(_BY_NAME)
        yield f"## {code(heading if is_inner else f'[[{heading}]]' if is_array else f'[{heading}]')}"
        yield one_line(kind.__doc__)
        own = [row for row in rows if row.section == heading]
        if is_list:
            cells = [(code(row.name), row.type, _shown(row.default), row.meaning) for row in own]
            yield table(("setting", "type", "default", "meaning"), cells)
        else:
            yield table(
                ("setting", "type", "default", "environment", "meaning"),
                [(code(row.name), row.type, _shown(row.default), _variable(row), row.meaning) for row in own],
            )


def _entry(annotation: Any) -> type[config.Section] | None:
    """Return what a tuple of tables, or tables by name, hold; None for anything else."""
    if get_origin(annotation) not in {tuple, dict}:
        return None
    kind = get_args(annotation)[0 if get_origin(annotation) is tuple else 1]
    return kind if isinstance(kind, type) and issubclass(kind, config.Section) else None


def _type(name: str, annotation: Any) -> str:
    if _entry(annotation) is not None:
        return "list of tables"
    if get_origin(annotation) is tuple:
        return _LISTS[_plain(get_args(annotation)[0])]
    if get_origin(annotation) in {Union, types.UnionType} and get_args(annotation)[1:] == (types.NoneType,):
        annotation = get_args(annotation)[0]
    annotation = _plain(annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(code(choice or '""') for choice in get_args(annotation))
    assert get_origin(annotation) not in {Union, types.UnionType}, f"{name}: no setting has two types"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    return unit or _TYPES[annotation]


def _plain(annotation: Any) -> Any:
    """Return a type without its bounds."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _variable(row: Setting) -> str:
    return code(row.variable) if row.variable else "only in the file"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_default, value))}]"
    if isinstance(value, int) and value and value % _KIBI == 0:
        return f"{value} ({value // _MEBI} MiB)" if value % _MEBI == 0 else f"{value} ({value // _KIBI} KiB)"
    if isinstance(value, float):
        return f"{value:g}"
    if value is None:
        return "none"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _shown(default: str) -> str:
    return default if default == "required" or default.endswith("iB)") else code(default)
