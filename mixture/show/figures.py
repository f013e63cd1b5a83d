"""The one visual language of the notebooks: which colour means what, and how a figure is shown.

A component keeps its colour in every figure of every report; truth, EM and the
sample have colours and dashes of their own. The palette is seaborn's "colorblind".
Figures are drawings (SVG) on a white ground, which the page takes away, so that it can lay them on
a light or a dark one; only what has very many points in it is stored as an image within.
"""

import ast
import base64
import importlib.util
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from IPython.display import Code, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixture.components import Components, component_log_density, mixture_log_density
from mixture.data.cells import coarsen_sample, find_rounding, group_sample
from mixture.data.sample import Sample
from mixture.show.text.numbers import QUANTITIES
from mixture.show.text.wording import ALT_RECORD, Text

_PALETTE = sns.color_palette("colorblind").as_hex()
COMPONENT = [_PALETTE[i] for i in (0, 1, 2, 3, 9, 5)]
EM = _PALETTE[4]
TRUTH = "black"
SAMPLE = "#c9ced6"
POSTERIOR = "#333333"
LABELS = {
    "Draw": "draw",
    "Fractional ranks": "fractional rank",
    "Lag": "lag (draws)",
    "Chain": "chain",
    "Total Number of Draws": "draws of all chains",
    "ESS": "effective size",
    "PIT": "predictive rank",
}
CELL_PARTS = 20  # of a wide cell, for a kernel density
MANY = 600  # points in an artist, beyond which it is stored as an image
CHAIN = [
    sns.color_palette("mako", 6).as_hex()[i] for i in (1, 4, 2, 5)
]  # lines that are no components: chains, bulk and tail
# What a figure shows of a sample with values far from all others: sds of a component; the share of the values that makes
# a component worth showing, or that may be left out; and the share of the sample's range that is worth showing alone.
REACH, LIGHT, PRESSED = 6.0, 0.02, 0.6
SHOWN = 0.99  # of a skewed sample: the quantile that its figure in data units ends at
# Below a drawing, so that dark lines can be read in the dark theme of JupyterLab; the page takes it away and has its own way.
GROUND = '<rect class="ground" width="100%" height="100%" fill="white"/>'
SHARP = 220  # dots per inch of what is stored as an image: two for each of the page's


def use_style() -> None:
    """Set the look of all figures in this kernel."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=CHAIN,
        rc={
            "figure.figsize": (8, 4),
            "figure.dpi": 100,
            "figure.autolayout": True,
            "savefig.transparent": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlepad": 10,
            "axes.titley": 1.0,  # where it would be placed anyway, without a look at all ticks each time
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.linewidth": 0.8,
            "font.size": 11,
            "xtick.major.width": 0.8,
            "ytick.major.width": 0.8,
            "xtick.major.size": 4,
            "ytick.major.size": 4,
            "legend.frameon": False,
            "svg.hashsalt": "mixture",
        },
    )


def colour(component: int) -> str:
    """The colour of a component (0-based, by mean), in every figure alike."""
    return COMPONENT[component % len(COMPONENT)]


def drawing(draw: Callable[..., Figure], *args: Any, **kwargs: Any) -> str:
    """What `draw` draws, as SVG text: what another process can hand back."""
    use_style()
    figure = draw(*args, **kwargs)
    text = as_svg(figure)
    plt.close(figure)
    return text


def show(figure: Figure | str, caption: Text | str, alt: Text | str, thumbnail: bool = False, **beside: str) -> None:
    """Display a figure once, with a caption that states the finding and a text for who cannot see it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or str
        A str is a `drawing`.
    caption : Text or str
        Markdown; its numbers are computed.
    alt : Text or str
        What the figure shows, in plain words.
    thumbnail : bool
        Whether to store a small image of it too, for the index of all runs.
    **beside
        Other forms of the same figure, by MIME type.
    """
    drawn = figure if isinstance(figure, str) else as_svg(figure)
    forms = {"image/svg+xml": drawn, "text/plain": str(alt)} | beside
    if thumbnail:
        forms["image/png"] = base64.b64encode(_save(figure, "png", dpi=72)).decode()
    if isinstance(figure, Figure):
        plt.close(figure)
    about = {kind: {ALT_RECORD: str(alt)} for kind in forms if kind.startswith("image/")}
    if isinstance(alt, Text):
        about["records"] = {ALT_RECORD: alt.record}
    display(forms, metadata=about, raw=True)
    display(caption if isinstance(caption, Text) else Markdown(f"*{caption}*"), metadata={"caption": True})


def source_of(module: str, function: str) -> Code:
    """A function's code, coloured; the module is read, not imported."""
    source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
    node = next(each for each in ast.parse(source).body if getattr(each, "name", None) == function)
    return Code(ast.get_source_segment(source, node), language="python")


def spell_out_labels(figure: Figure, unit: str) -> None:
    """Replace the short names in a figure of ArviZ: `mu` and 1 by mean of component 1 (unit), and so on."""
    for ax in figure.axes:
        title, _, component = ax.get_title("left").partition("\n")
        if component:
            ax.set_title(f"{QUANTITIES.get(title, title)} of component {component}", loc="left")
        for axis in (ax.xaxis, ax.yaxis):
            label = axis.get_label_text()
            axis.set_label_text(
                {"w": "weight", "mu": f"mean ({unit})", "sigma": f"sd ({unit})"}.get(label, LABELS.get(label, label))
            )
            axis.get_label().set_parse_math(False)  # a unit is a text
            if label == "Chain":  # there is no chain 1.5
                axis.get_major_locator().set_params(integer=True)
        for text in ax.texts:  # ArviZ's "p=0.66(α=0.01) "
            text.set_text(re.sub(r"p=([\d.]+)\(α=([\d.]+)\)\s*", r"p = \1 (suspicious below \2)", text.get_text()))


def as_svg(figure: Figure) -> str:
    """A figure as SVG text on a white ground, the same for the same figure; artists of more than `MANY` points as images within."""
    for artist in (each for ax in figure.axes for each in (*ax.lines, *ax.collections)):
        if _size_of(artist) > MANY:
            artist.set_rasterized(True)
    text = _save(figure, "svg", dpi=SHARP, metadata={"Date": None, "Creator": None}).decode()
    text = re.sub(r"<svg\b[^>]*>", lambda start: start[0] + GROUND, text, count=1)
    # A hundredth of a point is finer than any screen or printer.
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text[text.index("<svg") :])


def _size_of(artist):
    """How many points an artist would write into a drawing."""
    if hasattr(artist, "get_xdata"):
        return len(artist.get_xdata())
    if hasattr(artist, "get_offsets"):  # a collection: its paths, or one at many places
        return 3 * max(len(artist.get_paths()), len(artist.get_offsets()))
    return 0


def _save(figure, kind, **options):
    file, layout = io.BytesIO(), figure.get_layout_engine()
    if layout:
        with _ticks_once(figure):
            layout.execute(figure)
    # Laid out once and no more: with an engine, be it "none", Matplotlib draws everything twice, and gives it a new one.
    with plt.rc_context({"figure.autolayout": False}), _ticks_once(figure):
        figure.set_layout_engine(None)
        figure.savefig(file, format=kind, transparent=True, **options)
    return file.getvalue()


@contextmanager
def _ticks_once(figure: Figure) -> Iterator[None]:
    """Within, nothing moves; Matplotlib works out each axis's ticks ten times yet, and twice how large their labels are."""
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    for axis in axes:
        axis._update_ticks = cache(axis._update_ticks)
        axis._get_ticklabel_bboxes = _measured_once(axis)
    try:
        yield
    finally:
        for axis in axes:
            del axis._update_ticks, axis._get_ticklabel_bboxes


def _measured_once(axis):
    measure = axis._get_ticklabel_bboxes
    measured = cache(lambda renderer: measure(axis._update_ticks(), renderer))
    return lambda ticks, renderer: measured(renderer)


def draw_sample(
    ax: Axes, sample: Sample, rug: bool = True, finest: float = np.inf, drawn: np.ndarray | None = None
) -> None:
    """Histogram of the sample as a density, with a rug where it can still be read.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    sample : Sample
    rug : bool
    finest : float
        As in `sample_edges`.
    drawn : ndarray of bool, optional
        The rows to draw alone, still as a part of all.
    """
    name_axes(ax, sample.axis, sample.density_axis)
    share, sample = (1.0, sample) if drawn is None else (sample.count[drawn].sum() / sample.n, sample.rows(drawn))
    edges = sample_edges(sample, finest)
    height = share * np.histogram(sample.value, edges, weights=sample.count, density=True)[0]
    ax.stairs(height, edges, fill=True, color=SAMPLE, label="sample")
    if rug and sample.exact and sample.n <= 2000:
        look = {"color": POSTERIOR, "alpha": 0.3, "linewidth": 0.6}
        ax.vlines(sample.value, 0, 0.025, transform=ax.get_xaxis_transform(), **look)


def name_axes(ax: Axes, x: str, y: str) -> None:
    """Label both axes with texts as they are: a column's name may hold what Matplotlib takes for mathematics."""
    ax.set_xlabel(x, parse_math=False)
    ax.set_ylabel(y, parse_math=False)


def draw_kernel_density(ax: Axes, sample: Sample) -> None:
    """Kernel density of the sample, dotted; a large sample is counted in narrow cells first, a wide cell drawn by its parts."""
    if len(sample.count) > 5000 and sample.regular:
        sample = (group_sample if sample.exact else coarsen_sample)(sample, sample.sd() / 200)
    values, count = sample.value, sample.count
    if not sample.regular:
        lower, upper = sample.closed
        values = np.linspace(lower, upper, 2 * CELL_PARTS + 1)[1::2].ravel()
        count = np.tile(count, CELL_PARTS)
    sns.kdeplot(x=values, weights=count, color=POSTERIOR, linestyle=":", label="kernel density", ax=ax)


def sample_edges(sample: Sample, finest: float = np.inf, most: int = 300) -> np.ndarray:
    """Bin edges by the Freedman-Diaconis rule; whole cells where the sample is in cells or rounded, each where they differ.

    `finest` is the smallest sd of a fit, data units: bins no wider than that show what it describes.
    """
    if not sample.regular:
        edges = np.unique(sample.closed)
        return edges[np.unique(np.linspace(0, len(edges) - 1, most + 1).astype(int))]
    low, high = sample.quantile([0.25, 0.75])
    wanted = 2 * (high - low) * sample.n ** (-1 / 3) or (sample.high - sample.low) / 10
    width = max(min(wanted, finest), (sample.high - sample.low) / most)
    step = sample.width or find_rounding(sample)
    if step:
        width, low = step * max(1, round(width / step)), sample.low - (step / 2 if sample.exact else 0)
        return np.arange(low, sample.high + width, width)
    return np.linspace(sample.low, sample.high, int(np.ceil((sample.high - sample.low) / width)) + 1)


def draw_sample_and_recipe(sample: Sample, recipe: Components | None = None) -> Figure:
    """The sample's histogram and kernel density, and the mixture that it was drawn from, if it was.

    Parameters
    ----------
    sample : Sample
    recipe : Components, shape (K,), optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, ax = plt.subplots()
    draw_sample(ax, sample)
    draw_kernel_density(ax, sample)
    if recipe:
        x = grid_over(sample)
        draw_components(ax, x, *recipe, "true component")
        ax.plot(x, np.exp(mixture_log_density(x, *recipe)), color=TRUTH, label="true mixture")
    ax.set_title("The sample" + (" and the mixture it was drawn from" if recipe else ""))
    _legend_beside(ax)
    return figure


def _legend_beside(ax, **more):
    """A legend to the right of the axes, where it hides nothing."""
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), **more)


def grid_over(sample: Sample, points: int = 400, draws: Components | None = None) -> np.ndarray:
    """Evenly spaced points over the sample's range and a tenth beyond, shape (points,).

    Given draws, of shape (S, K), only as far as `REACH` sds of the components go that hold at least `LIGHT` of the values,
    where few values far from them would press everything else together.
    """
    margin = 0.1 * (sample.high - sample.low)
    low, high = sample.low - margin, sample.high + margin
    if draws is not None:
        weights, means, sds = (values.mean(axis=0) for values in draws)
        heavy = weights >= min(LIGHT, weights.max())
        means, sds = means[heavy], sds[heavy]
        near = max(low, (means - REACH * sds).min()), min(high, (means + REACH * sds).max())
        left_out = sample.count[(sample.value < near[0]) | (sample.value > near[1])].sum()
        if near[1] - near[0] < PRESSED * (high - low) and left_out <= LIGHT * sample.n:
            low, high = near
    return np.linspace(low, high, points)


def values_within(sample: Sample, x: np.ndarray) -> np.ndarray | None:
    """Which rows lie within the range of x; None where all do."""
    inside = (sample.value >= x[0]) & (sample.value <= x[-1])
    return None if inside.all() else inside


def describe_beyond(sample: Sample, draws: Components) -> dict[str, Any]:
    """What lies outside the grid over a sample with draws of shape (S, K): how many values, and which components (from 1)."""
    x, means = grid_over(sample, draws=draws), draws.means.mean(axis=0)
    inside = values_within(sample, x)
    return {
        "values": 0 if inside is None else int(sample.count[~inside].sum()),
        "components": (1 + np.flatnonzero((means < x[0]) | (means > x[-1]))).tolist(),
    }


def places_of_fit(x: np.ndarray, transform: str | None = None) -> tuple[np.ndarray, np.ndarray | float]:
    """Where a fit is evaluated for values x in data units, and by what its density is multiplied there (the Jacobian)."""
    return (x, 1.0) if transform is None else (np.log(x), 1 / x)


def draw_components(
    ax: Axes,
    x: np.ndarray,
    weights: np.ndarray,
    means: np.ndarray,
    sds: np.ndarray,
    label: str,
    transform: str | None = None,
    **line: Any,
) -> None:
    """One weighted density a component, each in its colour.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : ndarray, shape (M,)
        Of the axis: data units, or the scale that was fitted where transform is None.
    weights, means, sds : ndarray, shape (K,)
    label : str
        Legend entry; the component's number is appended.
    transform : {None, "log"}
    """
    places, jacobian = places_of_fit(x, transform)
    for k, density in enumerate(jacobian * np.exp(component_log_density(places, weights, means, sds)).T):
        ax.plot(x, density, color=colour(k), label=f"{label} {k + 1}", **line)


def draw_band(ax: Axes, x: np.ndarray, draws: Components, interval: float = 0.95, transform: str | None = None) -> None:
    """Posterior mean of the mixture density and its pointwise band.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : ndarray, shape (M,)
    draws : Components, shape (S, K)
    interval : float
    transform : {None, "log"}
        As in `draw_components`.
    """
    places, jacobian = places_of_fit(x, transform)
    density = jacobian * np.exp(mixture_log_density(places, *draws))
    low, high = np.quantile(density, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
    ax.fill_between(x, low, high, color=POSTERIOR, alpha=0.25, linewidth=0, label=f"{interval:.0%} band")
    ax.plot(x, density.mean(axis=0), color=POSTERIOR, linewidth=1.8, label="posterior mean")


def draw_prior_mixtures(
    sample: Sample, weights: np.ndarray, means: np.ndarray, sds: np.ndarray, points: int = 400
) -> Figure:
    """Mixtures drawn from the priors over the sample.

    Parameters
    ----------
    sample : Sample
    weights, means, sds : ndarray, shape (S, K)
    points : int
        On the x axis, which spans the sample and nearly all of the means.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, ax = plt.subplots()
    draw_sample(ax, sample, rug=False)
    low, high = np.quantile(means, [0.005, 0.995])
    x, top = np.linspace(min(low, sample.low), max(high, sample.high), points), ax.get_ylim()[1]
    ax.plot(x, np.exp(mixture_log_density(x, weights, means, sds)).T, color=colour(0), alpha=0.3, linewidth=0.8)
    ax.set(title="What the priors predict, and the sample", xlim=(x[0], x[-1]), ylim=(0, 2.5 * top))
    return figure


def draw_fits(
    sample: Sample, draws: Components, em: Components, truth: Components | None = None, interval: float = 0.95
) -> Figure:
    """The main figure: sample, posterior with its band and components, EM and, where it is known, the truth.

    Parameters
    ----------
    sample : Sample
    draws : Components, shape (S, K)
    em, truth : Components, shape (K,)
    interval : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, ax = plt.subplots(figsize=(7.5, 4.2))
    x = grid_over(sample, draws=draws)
    draw_sample(ax, sample, finest=draws.sds.mean(axis=0).min(), drawn=values_within(sample, x))
    draw_band(ax, x, draws, interval)
    draw_components(ax, x, *(values.mean(axis=0) for values in draws), "component")
    ax.plot(x, np.exp(mixture_log_density(x, *em)), color=EM, linestyle="--", linewidth=2, label="EM")
    if truth:
        ax.plot(x, np.exp(mixture_log_density(x, *truth)), color=TRUTH, linestyle=":", label="truth")
    ax.set_title("The sample and the mixture, two ways")
    _legend_beside(ax)
    return figure


def draw_fits_in_data_units(
    sample: Sample, draws: Components, em: Components, interval: float = 0.95, transform: str | None = "log"
) -> Figure:
    """The main figure of a fit of logarithms, in data units: up to the quantile `SHOWN` of the sample.

    Parameters
    ----------
    sample : Sample
        In data units.
    draws : Components, shape (S, K)
    em : Components, shape (K,)
        Both of logarithms.
    interval : float
    transform : {None, "log"}

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, ax = plt.subplots(figsize=(7.5, 4.2))
    high = float(sample.quantile(SHOWN))
    finest = (np.exp(draws.means) * draws.sds).mean(axis=0).min()  # near a median, an sd of logarithms is that times it
    draw_sample(ax, sample, finest=finest, drawn=sample.value <= high)
    x = np.exp(np.linspace(np.log(sample.value.min()), np.log(high), 400))
    draw_band(ax, x, draws, interval, transform)
    draw_components(ax, x, *(values.mean(axis=0) for values in draws), "component", transform)
    places, jacobian = places_of_fit(x, transform)
    ax.plot(x, jacobian * np.exp(mixture_log_density(places, *em)), color=EM, linestyle="--", linewidth=2, label="EM")
    ax.set_title("The same in data units")
    _legend_beside(ax)
    return figure


def draw_memberships(
    x: np.ndarray,
    curve: pd.DataFrame,
    sample: Sample,
    interval: float = 0.95,
    cutoffs: Sequence[dict[str, Any]] = (),
) -> Figure:
    """Membership probability of each component by value, below the sample, and the cutoffs as lines with bands.

    Parameters
    ----------
    x : ndarray, shape (M,)
    curve : pandas.DataFrame
        From `summarise_memberships` at x.
    sample : Sample
    interval : float
    cutoffs : sequence of dict
        From `describe_cutoffs`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 5), sharex=True, height_ratios=(3, 2))
    draw_sample(above, sample, drawn=values_within(sample, x))
    above.set(xlabel=None, title="The sample, and which component each value belongs to")
    for k in range(sum(name.endswith("_low") for name in curve)):
        name = f"p_{k + 1}"
        below.fill_between(x, curve[f"{name}_low"], curve[f"{name}_high"], color=colour(k), alpha=0.25, linewidth=0)
        below.plot(x, curve[name], color=colour(k), label=f"component {k + 1}")
    for value, low, high in cutoff_places(cutoffs, x):
        for ax in (above, below):
            ax.axvspan(low, high, color=POSTERIOR, alpha=0.15, linewidth=0)
            ax.axvline(value, color=POSTERIOR, linestyle=":", linewidth=1.2, label="_cutoff")
    below.set(ylim=(0, 1.02))
    name_axes(below, sample.axis, "probability")
    _legend_beside(below, title=f"mean and {interval:.0%} interval")
    return figure


def cutoff_places(cutoffs: Sequence[dict[str, Any]], x: np.ndarray) -> list[tuple[float, float, float]]:
    """Value, low and high of the cutoffs that there are, their ends within those of x."""
    there = (cutoff for cutoff in cutoffs if cutoff["value"] is not None)
    return [(cutoff["value"], *np.clip([cutoff["low"], cutoff["high"]], x[0], x[-1]).tolist()) for cutoff in there]


def draw_component_posterior(kept: xr.Dataset) -> Figure:
    """The posterior of the number of components, filled and all, with a dot for each chain.

    Parameters
    ----------
    kept : xarray.Dataset
        From `sample_component_counts`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    likely = np.maximum(*(kept[name].mean(("chain", "draw")) for name in ("p_filled", "p_k"))).values >= 0.001
    numbers = kept["components"].values[likely]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    titles = {"p_filled": "Components that hold values", "p_k": "Components, empty ones included"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        by_chain = kept[name].mean("draw").values[:, likely]
        ax.bar(numbers, by_chain.mean(axis=0), color=SAMPLE, edgecolor="none")
        for chain in by_chain:
            ax.plot(numbers, chain, "o", color=POSTERIOR, markersize=3, alpha=0.6)
        ax.set(title=title, xlabel="number of components")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set(ylabel="posterior probability")
    return figure


def draw_component_counts(counts: pd.DataFrame) -> Figure:
    """BIC, AIC and ICL beside leave-one-out prediction, over the number of components, the best of each marked.

    Chains that cannot be trusted have a hollow mark. Where one of them could be the best by prediction, none is marked so.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `choose_component_count`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
    for k, name in enumerate(("bic", "aic", "icl")):
        look = {"color": CHAIN[k], "marker": "os^"[k]}
        left.plot(counts.index, counts[name], label=name.upper(), **look)
        left.plot(counts[name].idxmin(), counts[name].min(), markersize=13, fillstyle="none", **look)
    left.set(title="By EM: smaller is better", xlabel="number of components K", ylabel="criterion")
    left.legend(frameon=False)
    sound = counts["trusted"].astype(bool)
    right.plot(counts.index, counts["elpd"], color=POSTERIOR, linewidth=0.8)
    for some, ground in ((counts[sound], POSTERIOR), (counts[~sound], "white")):
        right.errorbar(
            some.index, some["elpd"], some["elpd_se"], fmt="o", capsize=3, color=POSTERIOR, markerfacecolor=ground
        )
    if sound.any() and not counts["could_win"].any():
        best = counts["elpd"][sound].idxmax()
        right.plot(best, counts["elpd"][best], marker="o", markersize=13, fillstyle="none", color=POSTERIOR)
    right.set(
        title="By Bayes: larger is better", xlabel="number of components K", ylabel="expected log density, left out"
    )
    return figure
