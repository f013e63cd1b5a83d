"""A figure to play with in the page, drawn by Bokeh: no server, and no code but the page's own.

What is drawn here moves by three kinds of hands, which the page puts below the figure:

switch
    shows and hides some of the lines
stepper
    replaces a line's points by those of another posterior draw
reader
    a place on the x axis, moved along by pointer or key, and what is known there
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mixture.check.membership import summarise_memberships
from mixture.components import Components, component_log_density, mixture_log_density
from mixture.data.sample import Sample
from mixture.show import figures

MIME = "application/vnd.gaussian-mixtures.play+json"
POINTS, DRAWS = 240, 40  # on the x axis, and posterior draws to step through: about 150 kB
FONT = "system-ui, sans-serif"


def play_figure(
    sample: Sample,
    draws: Components,
    em: Components,
    truth: Components | None = None,
    interval: float = 0.95,
    cutoffs: Sequence[dict[str, Any]] = (),
) -> dict[str, str]:
    """Densities over the sample above membership probabilities, with all that the page needs to move them.

    Parameters
    ----------
    sample : Sample
    draws : Components, shape (S, K)
    em, truth : Components, shape (K,)
        truth is None where it is not known.
    interval : float
    cutoffs : sequence of dict
        From `describe_cutoffs`: lines with bands.

    Returns
    -------
    dict
        By MIME type, for `figures.show`: figure (Bokeh's JSON), x, switches,
        stepper, reader.
    """
    from bokeh.embed import json_item  # half a second, needed only here
    from bokeh.layouts import column

    x = figures.grid_over(sample, POINTS, draws)
    above, switches = _densities(sample, x, draws, em, truth, interval)
    below, reader = _memberships(x, draws, interval, above.x_range, sample)
    for plot in (above, below):
        _mark(plot, figures.cutoff_places(cutoffs, x))
    steps = draws.thin(DRAWS)
    mixture = np.exp(mixture_log_density(x, *steps))
    parts = np.moveaxis(np.exp(component_log_density(x, *steps)), -1, 0)
    figure = column(above, below, sizing_mode="stretch_width")
    payload = {
        "figure": json_item(figure),
        "x": _packed(x, "<f8"),  # places far from zero need all digits
        "switches": switches,
        "reader": reader,
        "stepper": {
            "label": "posterior draw",
            "source": "draw",
            "count": len(mixture),
            "columns": {"mixture": _packed(mixture), **{f"component {k}": _packed(p) for k, p in enumerate(parts, 1)}},
        },
    }
    return {MIME: json.dumps(payload)}


def _packed(values, kind="<f4"):
    """Numbers as base64 of floats, row after row; the page knows the length of a row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _axes(height, y_label, x_range, x_label=None):
    """An empty figure in the page's look; of what Bokeh offers, only the drawing."""
    from bokeh.models import PlainText, Span
    from bokeh.plotting import figure

    plot = figure(
        height=height,
        x_range=x_range,
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_width",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=62,
    )
    plot.grid.visible = False
    for axis in plot.axis:
        axis.axis_label_text_font_style, axis.axis_label_text_font, axis.major_label_text_font = "normal", FONT, FONT
        axis.axis_label_text_color = axis.major_label_text_color = "#262626"
        axis.minor_tick_line_color = None
    plot.yaxis.axis_label = PlainText(text=y_label)  # a column's name may hold what Bokeh takes for mathematics
    plot.xaxis.axis_label = PlainText(text=x_label) if x_label else None
    plot.add_layout(Span(dimension="height", line_color="#262626", line_width=1.5, name="place"))
    return plot


def _mark(plot, places):
    """Cutoffs as dotted lines, each with its band."""
    from bokeh.models import BoxAnnotation, Span

    for value, low, high in places:
        plot.add_layout(
            BoxAnnotation(left=low, right=high, fill_color=figures.POSTERIOR, fill_alpha=0.15, line_color=None)
        )
        plot.add_layout(
            Span(
                location=value,
                dimension="height",
                line_color=figures.POSTERIOR,
                line_dash="dotted",
                line_width=1.5,
                name="cutoff",
            )
        )


def _densities(sample, x, draws, em, truth, interval):
    """The upper figure and its switches."""
    from bokeh.models import ColumnDataSource, Range1d

    plot = _axes(300, sample.density_axis, Range1d(float(x[0]), float(x[-1])))
    inside = figures.values_within(sample, x)
    shown = sample if inside is None else sample.rows(inside)
    heights, edges = np.histogram(
        shown.value,
        bins=figures.sample_edges(shown, draws.sds.mean(axis=0).min()),
        weights=shown.count / sample.n,
    )
    heights = heights / np.diff(edges)
    plot.quad(
        left=edges[:-1],
        right=edges[1:],
        bottom=0,
        top=heights,
        fill_color=figures.SAMPLE,
        line_color=None,
        name="sample",
    )
    cloud = np.exp(mixture_log_density(x, *draws))
    low, high = np.quantile(cloud, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
    plot.varea(x=x, y1=low, y2=high, fill_color=figures.POSTERIOR, fill_alpha=0.25, name="posterior")
    plot.line(x, cloud.mean(axis=0), line_color=figures.POSTERIOR, line_width=2, name="posterior")
    plot.line(
        x, np.exp(mixture_log_density(x, *em)), line_color=figures.EM, line_width=2, line_dash="dashed", name="EM"
    )
    switches = [
        {
            "label": f"posterior mean and {interval:.0%} band",
            "name": "posterior",
            "on": True,
            "colour": figures.POSTERIOR,
            "dash": "solid",
        },
        {"label": "EM", "name": "EM", "on": True, "colour": figures.EM, "dash": "dashed"},
    ]
    if truth is not None:
        plot.line(
            x,
            np.exp(mixture_log_density(x, *truth)),
            line_color=figures.TRUTH,
            line_width=2,
            line_dash="dotted",
            name="truth",
        )
        switches.append({"label": "truth", "name": "truth", "on": True, "colour": figures.TRUTH, "dash": "dotted"})
    one = draws.map(lambda values: values[:1])
    parts = np.exp(component_log_density(x, *one))[0]
    source = ColumnDataSource(
        {
            "x": x,
            "mixture": np.exp(mixture_log_density(x, *one))[0],
            **{f"component {k}": part for k, part in enumerate(parts.T, 1)},
        },
        name="draw",
    )
    for k in range(parts.shape[-1]):
        plot.line(
            "x",
            f"component {k + 1}",
            source=source,
            line_color=figures.colour(k),
            line_width=2,
            name="one draw",
            visible=False,
        )
    plot.line("x", "mixture", source=source, line_color=figures.colour(0), line_width=1, name="one draw", visible=False)
    switches.append(
        {
            "label": "one draw, by component",
            "name": "one draw",
            "on": False,
            "colour": figures.colour(0),
            "dash": "solid",
        }
    )
    plot.y_range.start = 0
    return plot, switches


def _memberships(x, draws, interval, x_range, sample):
    """The lower figure and what its reader says at each x.

    It starts where the first component is hardest to tell from the others; of
    such places, which can reach far into the tails, at the one nearest the middle.
    """
    plot = _axes(200, "probability", x_range, sample.axis)
    curve, components = summarise_memberships(x, draws, interval), []
    for k in range(len(draws[0][0])):
        mean, low, high = (curve[f"p_{k + 1}{end}"].to_numpy() for end in ("", "_low", "_high"))
        plot.varea(x=x, y1=low, y2=high, fill_color=figures.colour(k), fill_alpha=0.25)
        plot.line(x, mean, line_color=figures.colour(k), line_width=2)
        components.append(
            {
                "label": f"component {k + 1}",
                "colour": figures.colour(k),
                "mean": _packed(mean),
                "low": _packed(low),
                "high": _packed(high),
            }
        )
    plot.y_range.start, plot.y_range.end = 0, 1.02
    certainty = abs(curve["p_1"].to_numpy() - 0.5)
    far = np.where(certainty <= certainty.min() + 0.02, abs(x - float(sample.quantile([0.5])[0])), np.inf)
    return plot, {"interval": interval, "start": int(np.argmin(far)), "components": components}
