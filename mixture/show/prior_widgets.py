"""Handles for JupyterLab: move the priors and see what they would predict beside the sample."""

import os
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from mixture.data.sample import Sample
from mixture.show import UNATTENDED, figures

if TYPE_CHECKING:  # not at run time: a report needs neither
    import ipywidgets

    from mixture.bayes.priors import Priors

SHOWN, POINTS = 30, 150  # prior mixtures in the picture, and points of each
SD_FAMILIES = ("uniform", "halfnormal", "lognormal", "hierarchical")


def as_parameters(priors: "Priors") -> str:
    """Priors as lines for a params file."""

    def listed(values):
        return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"

    return "\n".join(
        [
            f"mean_prior_mean: {listed(priors.mean_center)}",
            f"mean_prior_precision: {listed(priors.mean_precision)}",
            f"sd_prior: {priors.sd_family}",
            f"sd_prior_scale: {priors.sd_scale:.4g}",
            f"weight_concentration: {priors.weight_concentration:.4g}",
        ]
    )


def explore_priors(sample: Sample, priors: "Priors") -> "ipywidgets.VBox | None":
    """Handles on the priors, the mixtures that they predict over the sample, and the lines for a params file.

    Parameters
    ----------
    sample : Sample
    priors : Priors
        Where the handles start.

    Returns
    -------
    ipywidgets.VBox or None
        Its children: the handles, the picture, the lines; None where nobody is there to move a handle.
    """
    if UNATTENDED in os.environ:
        return None
    import ipywidgets

    handles, chosen = _handles(sample, priors)
    picture, lines = ipywidgets.HTML(), ipywidgets.HTML()

    def show(_=None):
        now = chosen()
        draws = now.draw(SHOWN, np.random.default_rng(0))
        figure = figures.draw_prior_mixtures(sample, *draws, points=POINTS)
        picture.value = figures.as_svg(figure)
        plt.close(figure)
        lines.value = f"<pre>{as_parameters(now)}</pre>"

    for handle in handles:
        handle.observe(show, names="value")
    show()
    return ipywidgets.VBox([ipywidgets.VBox(handles), picture, lines])


def _handles(sample, priors):
    """The handles, and a function that reads them as priors."""
    import ipywidgets

    look = {"style": {"description_width": "14em"}, "layout": {"width": "36em"}, "continuous_update": False}
    span = sample.high - sample.low

    def linear(words, value, low, high):
        return ipywidgets.FloatSlider(
            value=value,
            min=min(low, value),
            max=max(high, value),
            step=(high - low) / 200,
            description=words,
            readout_format=".4g",
            **look,
        )

    def logarithmic(words, value):
        middle = np.log10(value)
        return ipywidgets.FloatLogSlider(
            value=value, min=middle - 1.5, max=middle + 1.5, description=words, readout_format=".3g", **look
        )

    centers = [
        linear(f"center of mean {k}", center, sample.low, sample.high) for k, center in enumerate(priors.mean_center, 1)
    ]
    spreads = [logarithmic(f"sd of mean {k}", float(t) ** -0.5) for k, t in enumerate(priors.mean_precision, 1)]
    family = ipywidgets.Dropdown(
        options=SD_FAMILIES,
        value=priors.sd_family,
        description="sds: family",
        **{name: look[name] for name in ("style", "layout")},
    )
    scale = logarithmic("sds: end, scale or median", priors.sd_scale or span)
    concentration = logarithmic("weights: concentration", priors.weight_concentration)

    def chosen():
        return type(priors)(
            mean_center=np.array([handle.value for handle in centers]),
            mean_precision=np.array([handle.value**-2.0 for handle in spreads]),
            sd_family=family.value,
            sd_scale=scale.value,
            weight_concentration=concentration.value,
        )

    return [*centers, *spreads, family, scale, concentration], chosen
