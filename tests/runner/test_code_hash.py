"""What a result rests on is found file by file: an edit there changes the hash, an edit elsewhere does not."""

import pytest

from mixture.code_hash import bare_code, code_hash, imported_modules, imported_names, project_files
from runner.stages import ROOT

FILES = {
    "pkg/__init__.py": "",
    "pkg/base.py": "",
    "pkg/fit/__init__.py": "from .em import fit",
    "pkg/fit/em.py": "from ..base import x\ndef fit():\n    from pkg.deep.er.core import late",
    "pkg/deep/__init__.py": "",
    "pkg/deep/er/__init__.py": "import json",
    "pkg/deep/er/core.py": "from . import sibling, a_name",
    "pkg/deep/er/sibling.py": "a_name = 1",
    "pkg/deep/er/unused.py": "",
    "pkg/show/__init__.py": "",
    "pkg/show/text.py": "import parameters",
    "pkg/show/star.py": "from pkg.listed import *",
    "pkg/listed/__init__.py": "__all__ = ['one']",
    "pkg/listed/one.py": "",
    "pkg/called.py": "import importlib\nimportlib.import_module('pkg.show.text')",
    "words.py": "from pkg import base",
    "parameters.py": "import pkg.fit",
    "requirements.lock": "",
}
DEEP = {
    f"pkg/{name}.py"
    for name in (
        "__init__",
        "fit/__init__",
        "fit/em",
        "base",
        "deep/__init__",
        "deep/er/__init__",
        "deep/er/core",
        "deep/er/sibling",
    )
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "code, files",
    [
        ("import pkg", {"pkg/__init__.py"}),
        ("import pkg.base as b, numpy", {"pkg/__init__.py", "pkg/base.py"}),
        ("from pkg import base", {"pkg/__init__.py", "pkg/base.py"}),
        ("from pkg import an_attribute", {"pkg/__init__.py"}),
        ("from pkg.base import an_attribute", {"pkg/__init__.py", "pkg/base.py"}),
        (
            "import pkg.deep.er.core",
            {
                f"pkg/{name}.py"
                for name in ("__init__", "deep/__init__", "deep/er/__init__", "deep/er/core", "deep/er/sibling")
            },
        ),
        ("from pkg.fit import fit", DEEP),
        ("def f():\n    from words import x", {"words.py", "pkg/__init__.py", "pkg/base.py"}),
        ("from pkg.show import text", {"pkg/__init__.py", "pkg/show/__init__.py", "pkg/show/text.py"}),
        (
            "from pkg.show.star import one",
            {f"pkg/{name}.py" for name in ("__init__", "show/__init__", "show/star", "listed/__init__", "listed/one")},
        ),
        ("import pkg.called", {f"pkg/{name}.py" for name in ("__init__", "called", "show/__init__", "show/text")}),
        ("%matplotlib inline\nimport numpy.linalg, parameters", set()),
        ("from . import base", set()),
        ("import pkg.", set()),
    ],
)
def test_the_files_that_code_rests_on(root, code, files):
    assert {path.relative_to(root).as_posix() for path in project_files(root, imported_names(code))} == files


@pytest.mark.parametrize(
    "edited, changes",
    [
        ("pkg/deep/er/sibling.py", True),
        ("pkg/deep/__init__.py", True),
        ("pkg/fit/__init__.py", True),
        ("pkg/deep/er/unused.py", False),
        ("pkg/show/text.py", False),
        ("words.py", False),
        ("parameters.py", False),
        ("requirements.lock", True),
    ],
)
def test_an_edit_changes_the_hash_of_what_rests_on_it_alone(root, edited, changes):
    def current():
        return code_hash(root, ["pkg.fit"], "requirements.lock")

    before = current()
    (root / edited).write_text(FILES[edited] + "\n# edited")
    assert (current() != before) is changes
    (root / edited).write_text(FILES[edited])
    assert current() == before


def test_a_new_subpackage_is_hashed(root):
    before = code_hash(root, ["words"])
    (root / "pkg" / "new" / "er").mkdir(parents=True)  # no __init__.py: a namespace package
    (root / "pkg" / "new" / "er" / "leaf.py").write_text("x = 1")
    assert code_hash(root, ["words"]) == before
    (root / "words.py").write_text("from pkg import base\nfrom pkg.new.er.leaf import x")
    found = {path.name for path in project_files(root, ["words"])}
    assert found == {"words.py", "__init__.py", "base.py", "leaf.py"}
    first = code_hash(root, ["words"])
    (root / "pkg" / "new" / "er" / "leaf.py").write_text("x = 22")
    assert code_hash(root, ["words"]) != first


def test_modules_are_named_as_the_code_names_them():
    assert imported_modules("import numpy as np, os.path\nfrom pathlib import Path, PurePath") == (
        "numpy",
        "os.path",
        "pathlib",
    )


def test_every_module_of_the_project_can_be_reached_by_its_name():
    """No folder of mixture/ or runner/ that the closure could not enter."""
    for path in [*(ROOT / "mixture").rglob("*.py"), *(ROOT / "runner").rglob("*.py")]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert path in project_files(ROOT, [name]), name


WORDED = '"""A module."""\nx = "text"  # said of x\n\n\ndef f(a):\n    """What it does."""\n    return f"{a} b"\n'


@pytest.mark.parametrize(
    "right, other",
    [
        ('"""A module."""\n', ""),
        ("  # said of x", ""),
        ("What it does", "Otherwise said"),
        ("\n\n\ndef", "\ndef"),
        ("    ", "  "),
    ],
)
def test_words_about_code_and_its_layout_are_not_what_runs(right, other):
    assert right in WORDED and bare_code(WORDED.replace(right, other)) == bare_code(WORDED)


@pytest.mark.parametrize(
    "right, other", [('"text"', '"other"'), ("a} b", "a} c"), ("f(a)", "f(c)"), ("return ", "yield ")]
)
def test_all_that_runs_counts(right, other):
    assert right in WORDED and bare_code(WORDED.replace(right, other)) != bare_code(WORDED)
