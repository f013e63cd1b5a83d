"""The runner's rooms: no circle of imports among them, and no statistics behind them."""

import graphlib

from mixture.code_hash import imported_names
from runner.stages import ROOT

RUNNER = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
    for path in (ROOT / "runner").rglob("*.py")
}
# What the runner uses of the rest; those after the line are imported late, for one command each.
ALLOWED = {
    "mixture.atomic",
    "mixture.code_hash",
    "mixture.data.files",
    "mixture.messages",
    "mixture.parallel",
    "mixture.show.UNATTENDED",
    "parameters",
    # --
    "helpers",
    "mixture.check.comparison",
    "mixture.check.runs",
    "mixture.data.groups",
    "mixture.data.read",
    "mixture.show.forest",
    "mixture.show.text.numbers",
    "mixture.show.text.runs",
    "mixture.show.text.wording",
}


def modules(code, known):
    """Those of `known` that code imports."""
    names = imported_names(code)
    return {module for module in known if any(name == module or name.startswith(f"{module}.") for name in names)}


def test_no_room_of_the_runner_imports_itself_by_way_of_another():
    leaves = {name for name in RUNNER if not any(other.startswith(f"{name}.") for other in RUNNER)}
    graph = {name: modules(RUNNER[name], leaves) - {name} for name in leaves}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == leaves  # raises CycleError


def test_the_runner_knows_no_statistics():
    for room, code in RUNNER.items():
        outside = {name for name in imported_names(code) if name.split(".")[0] in ("mixture", "helpers", "parameters")}
        assert all(any(f"{name}.".startswith(f"{each}.") for each in ALLOWED) for name in outside), (room, outside)
