"""One page on two runs: the parameters that differ, and both posteriors side by side."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from mixture.messages import InputError, format_name, format_value
from runner.folder import write_text
from runner.page.outputs import outputs_markup
from runner.page.render import format_parameter, units
from runner.page.template import fill, page_script
from runner.stored import DamagedFile, read_finished

SAMPLE = "sample.parquet"


class ComparedRuns(NamedTuple):
    """What came of comparing: the text, the table of posteriors (text), whether both runs are trusted, the page's path."""

    text: str
    table: Any
    trusted: bool
    path: Path


def compare_runs(one: Path, other: Path, out: Path | None = None) -> ComparedRuns:
    """Write the page that compares two finished runs.

    Parameters
    ----------
    one, other : Path
        Their folders.
    out : Path, optional
        The page; by default `compare-ONE-OTHER.html` beside the first.

    Raises
    ------
    InputError
        One of them is no finished run, or damaged; or they have different numbers of components, or one of them is
        of logarithms. Nothing is written.
    """
    from helpers import load_posterior, load_sample
    from mixture.check.runs import SAME, compare_posteriors, same_values  # slow to import, and for this command alone
    from mixture.show.forest import draw_runs
    from mixture.show.text import runs as say

    folders = [one, other]
    manifests = [read_finished(folder)[0] for folder in folders]
    parameters = [manifest["parameters"] for manifest in manifests]
    _refuse_two_scales(parameters)
    interval = parameters[0].get("interval", 0.95)
    comparison = compare_posteriors(*(_load(load_posterior, "posterior.nc", folder) for folder in folders), interval)
    names, trusted = _names(folders), [manifest["trusted"] for manifest in manifests]
    differing = {name: list(map(format_parameter, values)) for name, values in differing_parameters(*manifests).items()}
    same_sample = same_values(*(_load(load_sample, SAMPLE, folder) for folder in folders))
    text = say.runs_text(comparison, names, trusted, same_sample, len(differing), SAME)
    table = say.posteriors_table(comparison, names)
    drawn = draw_runs(comparison, names, trusted, units(parameters[0])[1])
    path = out or one.resolve().parent / f"compare-{one.resolve().name}-{other.resolve().name}.html"
    write_text(
        path,
        fill(
            "compare.html.j2",
            [page_script()],
            names=names,
            links=[os.path.relpath(folder.resolve() / "report.html", path.resolve().parent) for folder in folders],
            trusted=trusted,
            answer=_markup(text),
            figure=_figure(drawn, say.runs_alt(), say.runs_caption(interval, trusted)),
            posteriors=_markup(table),
            parameters=_markup(say.parameters_table(differing, names)),
            manifests=manifests,
        ),
    )
    return ComparedRuns(text, table, all(trusted), path)


def _refuse_two_scales(parameters):
    scales = [values.get("transform") for values in parameters]
    if scales[0] != scales[1]:
        raise InputError(
            f"transform: given {format_value(scales[0])} in one run and {format_value(scales[1])} in the other; allowed: the "
            "same in both, or their means and sds are on two scales"
        )


def _load(read, name, folder):
    """What a function of helpers.py reads of a run, or DamagedFile."""
    try:
        return read(folder)
    except (OSError, ValueError, KeyError) as error:
        place = format_name(os.path.relpath(folder / name))
        raise DamagedFile(f"{place}: damaged or missing: {type(error).__name__}") from None


def _names(folders):
    """The folders' own names; with those above where they are the same."""
    names = [folder.resolve().name for folder in folders]
    return names if names[0] != names[1] else [os.path.relpath(folder) for folder in folders]


def differing_parameters(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    """The values of each parameter that differ between two manifests, title apart, and the hashes of data that do."""
    given = [manifest["parameters"] for manifest in (one, other)]
    names = dict.fromkeys([*given[0], *given[1]])
    found = {name: [values.get(name) for values in given] for name in names if name not in ("title", "data")}
    differing = {name: values for name, values in found.items() if values[0] != values[1]}
    data = [_data(manifest) for manifest in (one, other)]
    return differing if data[0] == data[1] else {"data": data} | differing


def _data(manifest):
    """The names of a run's files and the beginnings of their hashes; the path alone where it was written without."""
    hashes = manifest["hashes"].get("data") or {}
    return ", ".join(f"{name} ({content[:12]})" for name, content in hashes.items()) or manifest["parameters"].get(
        "data"
    )


def _output(data, metadata):
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def _markup(shown):
    """A text or table of `mixture.show.text` as HTML."""
    return Markup(outputs_markup([_output(*shown._repr_mimebundle_())]))


def _figure(drawn, alt, caption):
    data, metadata = caption._repr_mimebundle_()
    shown = _output({"image/svg+xml": drawn}, {"image/svg+xml": {"alt": str(alt)}})
    return Markup(outputs_markup([shown, _output(data, metadata | {"caption": True})]))
