"""docs/parameters.md, written from the schema: `python -m runner.parameters_page`."""

from pathlib import Path
from typing import Literal, get_args, get_origin

import yaml

from parameters import Parameters

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"
HEAD = """# Parameters

This page is written from [parameters.py](../parameters.py) by `python -m runner.parameters_page`. The params files, the
command line and the notebooks' parameters cells take the same names. [params/default.yml](../params/default.yml) holds the
post's values; the defaults below are those of a report on other numbers.
"""


def parameters_page() -> str:
    """The page's text: a table for each group of parameters."""
    groups = {}
    for name, field in Parameters.model_fields.items():
        groups.setdefault(field.json_schema_extra["group"], []).append(_row(name, field))
    head = "| parameter | default | unit | values | meaning |\n|---|---|---|---|---|"
    return "\n".join(
        [HEAD, *(f"## {group.capitalize()}\n\n{head}\n" + "\n".join(rows) + "\n" for group, rows in groups.items())]
    )


def _row(name, field):
    kinds = [field.annotation, *get_args(field.annotation)]  # a choice, or one among other types
    values = ", ".join(value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind))
    cells = [f"`{name}`", _as_yaml(field.default), field.json_schema_extra["unit"], values, field.description]
    return f"| {' | '.join(cells)} |"


def _as_yaml(value):
    """A default as a params file would have it."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


if __name__ == "__main__":
    PAGE.write_text(parameters_page(), encoding="utf-8")
