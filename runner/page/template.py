"""A template with its style and scripts, and a policy that lets only these run."""

import base64
import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

HERE = Path(__file__).parent
STYLE, SCRIPT = HERE / "style.css", HERE / "page.js"


def page_script() -> str:
    """The script of both pages."""
    return SCRIPT.read_text(encoding="utf-8")


def bokeh_script() -> str:
    """BokehJS, as installed."""
    package = Path(importlib.util.find_spec("bokeh").origin).parent
    return (package / "server" / "static" / "js" / "bokeh.min.js").read_text(encoding="utf-8")


def fill(template: str, scripts: list[str], **values: Any) -> str:
    """The template of that name with its style, its scripts and a policy that lets only these run."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return (
        environment.get_template(template).render(
            style=Markup(STYLE.read_text(encoding="utf-8")),
            scripts=[Markup(script) for script in scripts],
            policy=Markup(" ".join(f"'sha256-{digest}'" for digest in digests)),
            **values,
        )
        + "\n"
    )
