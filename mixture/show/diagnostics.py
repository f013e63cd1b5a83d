"""Figures of the chains and of the model's fit, most of them ArviZ's, in the look of all others."""

from functools import partial

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from mixture.background import Background, start_in_background
from mixture.components import NAMES, Components
from mixture.data.sample import DATA_UNITS, Sample
from mixture.data.simulate import simulate_mixture
from mixture.show import figures

GRID = {"figsize": (10, 6)}
HISTOGRAMS = {"mu": ("means", "mean"), "sigma": ("sds", "standard deviation")}  # of `Components`, and in words
MOST_PANELS = 3  # components that the pictures of chains show: more would be too small to read
MOST_REPLICATED = 100_000  # values in a replicated sample


def draw_in_background(tree: xr.DataTree, limit: float, truth: Components | None = None) -> dict[str, Background[str]]:
    """Begin to draw what takes long, the last first.

    Parameters
    ----------
    tree : xarray.DataTree
    limit : float
        As in `draw_growth`.
    truth : Components, shape (K,), optional

    Returns
    -------
    dict of Background
        Drawings for `figures.show`: memory, growth, and those of `HISTOGRAMS`.
    """
    # Little enough to hand to another process, without the log likelihood.
    chains = xr.DataTree.from_dict({name: tree[name].to_dataset() for name in ("posterior", "sample_stats", "prior")})
    begin = partial(start_in_background, figures.drawing)
    return {
        **{
            name: begin(draw_posterior_grid, chains, name, words, truth and getattr(truth, field))
            for name, (field, words) in reversed(HISTOGRAMS.items())
        },
        "growth": begin(draw_growth, chains, limit),
        "memory": begin(draw_autocorrelation, chains),
    }


def draw_traces(tree: xr.DataTree) -> Figure:
    """Density of each parameter, one line a chain, beside its trace, a colour a component."""
    # One more than there are components, for what belongs to none; ArviZ wants three at least.
    colours = [figures.colour(k) for k in range(max(3, tree["posterior"].sizes["component"] + 1))]
    look = {"var_names": list(NAMES), "aes": {"color": ["component"]}, "color": colours}
    return _figure(az.plot_trace_dist(tree, **look, figure_kwargs=GRID), _unit(tree))


def slowest_components(tree: xr.DataTree) -> list[int]:
    """The components (from 1) that pictures of chains show: all, or those with the smallest effective sizes, in order."""
    if tree["posterior"].sizes["component"] <= MOST_PANELS:
        return tree["posterior"]["component"].values.tolist()
    sizes = az.ess(tree, var_names=list(NAMES)).to_dataset().to_array().min("variable")
    return sorted(sizes["component"].values[sizes.argsort().values[:MOST_PANELS]].tolist())


def draw_ranks(tree: xr.DataTree, apart: int) -> Figure:
    """Ranks of each chain's draws, so many apart, among all: the difference from uniform."""
    thinned = tree.sel(draw=slice(None, None, apart))
    return _panels(az.plot_rank(thinned, **_by_component(tree)), _unit(tree))


def draw_autocorrelation(tree: xr.DataTree) -> Figure:
    """Autocorrelation of each parameter by lag, one line a chain."""
    # ArviZ's band of insignificance counts the lags, not the draws, and is far too wide.
    plot = az.plot_autocorr(tree, **_by_component(tree), max_lag=30, visuals={"credible_interval": False})
    return _panels(plot, _unit(tree))


def draw_growth(tree: xr.DataTree, limit: float) -> Figure:
    """Effective sample size of each parameter as draws accumulate, and the verdict's limit."""
    lines_alone = {"ess_bulk": False, "ess_tail": False}  # not their points too
    look = {**_by_component(tree), "visuals": lines_alone}
    return _panels(az.plot_ess_evolution(tree, **look, n_points=10, min_ess=limit), _unit(tree))


def _unit(tree):
    return tree["posterior"]["mu"].attrs.get("units", DATA_UNITS)


def _figure(plot, unit=""):
    """The figure of an ArviZ plot, in words."""
    figure = plot.viz["figure"].item()
    figures.spell_out_labels(figure, unit)
    return figure


def _panels(plot, unit):
    """The figure of an ArviZ plot whose panels have one x axis and one kind of y axis: said at its edges alone."""
    figure = _figure(plot, unit)
    for ax in figure.axes:
        place = ax.get_subplotspec()
        ax.locator_params(nbins=4)  # few enough ticks for a small panel
        if not place.is_last_row():
            ax.set_xlabel("")
            ax.tick_params(axis="x", labelbottom=False)
        if not place.is_first_col():
            ax.set_ylabel("")
    return figure


def _by_component(tree):
    components = slowest_components(tree)
    return {
        "var_names": list(NAMES),
        "coords": {"component": components},
        "col_wrap": len(components),
        "figure_kwargs": GRID,
    }


def draw_energy(tree: xr.DataTree) -> Figure:
    """BFMI of each chain, and the distributions of energy and of its changes."""
    figure = _figure(az.plot_energy(tree, figure_kwargs={"figsize": (10, 3)}), _unit(tree))
    figure.axes[0].set(xlabel="BFMI (limit dashed)", title=None)
    figure.axes[1].set(xlabel="energy, less its mean", title=None)
    return figure


def draw_posterior_grid(tree: xr.DataTree, name: str, words: str, truth: np.ndarray | None = None) -> Figure:
    """The post's facet grid: the posterior of one parameter, a histogram a component, with prior and truth.

    Parameters
    ----------
    tree : xarray.DataTree
        Groups posterior and prior.
    name : {"mu", "sigma", "w"}
    words : str
        What it is called, below the x axis, to which its unit is added.
    truth : array_like, shape (K,), optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    values, prior = (tree[group][name].stack(sample=("chain", "draw")).values for group in ("posterior", "prior"))
    columns, rows = min(len(values), 3), -(-len(values) // 3)
    # seaborn's own grid lays itself out with every step, and its bars are 40 artists: most of the time of a figure.
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3 * rows), squeeze=False)
    for k, ax in enumerate(axes.flat):
        if k >= len(values):
            ax.remove()
            continue
        ax.stairs(*np.histogram(values[k], 40, density=True), fill=True, color=figures.colour(k), alpha=0.75)
        left, right = ax.get_xlim()
        inside = np.mean((prior[k] > left) & (prior[k] < right)) / (right - left)
        ax.axhline(inside, linestyle=":", color=figures.POSTERIOR)
        if truth is not None:
            ax.axvline(truth[k], color=figures.TRUTH)
        ax.set_title(f"component {k + 1}")
        unit = "" if name == "w" else f" ({_unit(tree)})"
        below, first = k + columns >= len(values), k % columns == 0
        figures.name_axes(ax, f"{words}{unit}" if below else "", "posterior density" if first else "")
    return figure


def draw_replicates(sample: Sample, draws: Components, rng: np.random.Generator) -> Figure:
    """Histograms of samples drawn from posterior draws, one each, and of the sample itself.

    Parameters
    ----------
    sample : Sample
    draws : Components, shape (S, K)
    rng : numpy.random.Generator
    """
    figure, ax = plt.subplots()
    finest, n = draws.sds.mean(axis=0).min(), min(sample.n, MOST_REPLICATED)
    edges, reach = figures.sample_edges(sample, finest), (-np.inf, np.inf)
    if sample.regular:  # replicates may reach further than the sample, by half its range
        beyond = (edges[1] - edges[0]) * np.arange(1, len(edges) // 2 + 1)
        edges = np.concatenate([edges[0] - beyond[::-1], edges, edges[-1] + beyond])
    else:  # what lies in an open cell is drawn where the sample's is
        reach = [
            edge if is_open else far for edge, is_open, far in zip(edges[[0, -1]], sample.open, reach, strict=True)
        ]
    figures.draw_sample(ax, sample, rug=False, finest=finest)
    look = {"color": figures.colour(0), "alpha": 0.2, "linewidth": 0.8}
    for w, m, s in zip(*draws, strict=True):
        values, _ = simulate_mixture(n, w, m, s, rng, "random")
        counts = np.histogram(np.clip(values, *reach), edges)[0]
        ax.stairs(counts / (n * np.diff(edges)), edges, **look)
    ax.set_title(f"{len(draws.weights)} replicated samples over the sample itself")
    return figure


def draw_predictive_ranks(ranks: np.ndarray) -> Figure:
    """The distribution function of leave-one-out ranks, less the uniform one, within its band."""
    pit = xr.DataTree.from_dict({"pit": xr.Dataset({"leave-one-out ranks": ("observation", ranks)})})
    plot = az.plot_ecdf_pit(pit, group="pit", sample_dims="observation", figure_kwargs={"figsize": (8, 3.5)})
    return _figure(plot)
