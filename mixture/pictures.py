"""The one visual language of the notebooks: which colour means what, and how a figure is shown.

A component keeps its colour in every figure of every report; truth, EM and the
sample have colours of their own. The palette is seaborn's "colorblind".
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.display import Markdown, display

from mixture.density import component_log_density, mixture_log_density

_PALETTE = sns.color_palette("colorblind").as_hex()
COMPONENT = [_PALETTE[i] for i in (0, 1, 2, 3, 9, 5)]
EM = _PALETTE[4]
TRUTH = "black"
SAMPLE = "#c8c8c8"
POSTERIOR = "#333333"


def use_style():
    """Set the look of all figures in this kernel."""
    sns.set_theme(context="notebook", style="ticks", palette=COMPONENT, rc={
        "figure.figsize": (8, 4), "figure.dpi": 100, "savefig.dpi": 150, "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
        "axes.titlesize": "medium", "axes.titleweight": "bold"})


def colour(component):
    """The colour of a component (0-based, by mean), in every figure alike."""
    return COMPONENT[component % len(COMPONENT)]


def show(figure, caption, alt, tags=()):
    """Display a figure once, with a caption that states the finding and a text for who cannot see it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    caption : str
        Markdown; its numbers are computed.
    alt : str
        What the figure shows, in plain words.
    """
    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)
    display(Markdown(f"*{caption}*"), metadata={"caption": True})


def draw_sample(ax, values, rug=True):
    """Histogram of the sample as a density, with a rug where it can still be read.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : array_like, shape (N,)
    rug : bool
    """
    sns.histplot(x=values, stat="density", bins="fd", color=SAMPLE, edgecolor="white", linewidth=0.5, ax=ax,
                 label="sample")
    if rug and len(values) <= 2000:
        sns.rugplot(x=values, height=0.025, color=POSTERIOR, alpha=0.3, linewidth=0.6, ax=ax)
    ax.set(xlabel="value (data units)", ylabel="density (per data unit)")


def grid_over(values, points=400):
    """Evenly spaced points over the sample's range and a tenth beyond, shape (points,)."""
    low, high = np.min(values), np.max(values)
    margin = 0.1 * (high - low)
    return np.linspace(low - margin, high + margin, points)


def draw_components(ax, x, weights, means, sds, label, **line):
    """One weighted density a component, each in its colour.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : ndarray, shape (M,)
    weights, means, sds : ndarray, shape (K,)
    label : str
        Legend entry; the component's number is appended.
    """
    for k, density in enumerate(np.exp(component_log_density(x, weights, means, sds)).T):
        ax.plot(x, density, color=colour(k), label=f"{label} {k}", **line)


def draw_band(ax, x, draws, interval=0.95):
    """Posterior mean of the mixture density and its pointwise band.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : ndarray, shape (M,)
    draws : tuple of ndarray, shape (S, K)
    interval : float
    """
    density = np.exp(mixture_log_density(x, *draws))
    low, high = np.quantile(density, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
    ax.fill_between(x, low, high, color=POSTERIOR, alpha=0.25, linewidth=0, label=f"{interval:.0%} band")
    ax.plot(x, density.mean(axis=0), color=POSTERIOR, linewidth=1.8, label="posterior mean")
