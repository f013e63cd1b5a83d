"""Figures: sharp, the same for the same draws, in one visual language; and what a reader can move in them."""

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from contextlib import nullcontext
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fits import simulated

from mixture.bayes.draws import as_dataset
from mixture.bayes.priors import choose_priors
from mixture.check.membership import summarise_memberships
from mixture.components import Components, component_log_density, mixture_log_density
from mixture.data.sample import Sample
from mixture.show import UNATTENDED, diagnostics, figures
from mixture.show.interactive import DRAWS, MIME, POINTS, play_figure
from mixture.show.prior_widgets import SD_FAMILIES, as_parameters, explore_priors
from runner.kernels import kernel_environment
from runner.page import outputs

SAMPLE = simulated(200)
rng = np.random.default_rng(5)
CLOUD = Components(
    np.tile([0.4, 0.6], (100, 1)), np.array([0.0, 4.0]) + 0.1 * rng.normal(size=(100, 2)), np.tile([1.0, 1.5], (100, 1))
)
EM = Components(np.array([0.4, 0.6]), np.array([0.0, 4.0]), np.array([1.0, 1.5]))


@pytest.fixture(autouse=True)
def look():
    plt.switch_backend("agg")
    with plt.rc_context():
        figures.use_style()
        yield
    plt.close("all")


def unpacked(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), kind)


def main_figure():
    return figures.draw_fits(SAMPLE, CLOUD, EM, EM)


def test_the_same_figure_is_the_same_text_and_whole_by_itself():
    one, other = (figures.as_svg(main_figure()) for _ in range(2))
    assert one == other
    assert ElementTree.fromstring(one).tag.endswith("svg")
    assert not re.findall(r'href="(?!#|data:)', one) and "<script" not in one
    assert len(one) < 150_000


def test_ticks_are_where_matplotlib_puts_them_and_move_again_after_it(monkeypatch):
    def drawn_and_moved():
        figure = main_figure()
        drawn = figures.as_svg(figure)
        figure.axes[0].set_xlim(0, 1)
        return drawn, figures.as_svg(figure)

    drawn, moved = drawn_and_moved()
    monkeypatch.setattr(figures, "_ticks_once", nullcontext)
    assert drawn_and_moved() == (drawn, moved) and moved != drawn


def test_a_figure_is_drawn_once(monkeypatch):
    figures.use_style()
    figure, drawn = main_figure(), []
    monkeypatch.setattr(figure.axes[0].patches[0], "draw", drawn.append)
    figures.as_svg(figure)
    assert len(drawn) == 1 and figure.get_layout_engine() is None  # nor is it laid out again for a thumbnail


def test_a_drawing_has_a_light_ground_in_jupyterlab_and_none_in_the_page():
    drawn = figures.as_svg(main_figure())
    first = ElementTree.fromstring(drawn)[0]
    assert (first.get("fill"), first.get("width"), first.get("height")) == ("white", "100%", "100%")
    assert "ground" in drawn and "ground" not in outputs.figure("image/svg+xml", drawn, {})
    assert len(outputs.figure("image/svg+xml", drawn, {})) > 0.9 * len(drawn)


def test_many_points_become_an_image_within_and_few_stay_lines():
    figure, ax = plt.subplots()
    ax.plot(np.zeros(figures.MANY))
    assert "data:image/png" not in figures.as_svg(figure)
    ax.plot(np.arange(figures.MANY + 1))
    assert "data:image/png" in figures.as_svg(figure)


def test_many_dots_become_an_image_within():
    figure, ax = plt.subplots()
    ax.scatter(np.arange(5000), np.zeros(5000))
    assert len(figures.as_svg(figure)) < 50_000


def test_short_names_become_words():
    figure, ax = plt.subplots()
    ax.set_title("sigma\n1", loc="left")
    ax.set(xlabel="mu", ylabel="Lag")
    figures.spell_out_labels(figure, "minutes")
    assert (ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel()) == (
        "sd of component 1",
        "mean (minutes)",
        "lag (draws)",
    )


def test_axes_say_what_was_measured_and_in_which_unit():
    waiting = replace(SAMPLE, name="waiting", unit="min")
    (ax,) = figures.draw_fits(waiting, CLOUD, EM).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("waiting (min)", "density (per min)")
    kept = Sample.of_frame(waiting.frame())
    assert (kept.axis, kept.density_axis) == (waiting.axis, waiting.density_axis)


def test_bins_are_as_narrow_as_the_narrowest_component():
    sample = Sample.of_values(np.concatenate([np.linspace(0, 100, 150), np.linspace(49, 51, 50)]))
    assert np.diff(figures.sample_edges(sample)).max() > 5
    assert np.diff(figures.sample_edges(sample, finest=1.0)).max() <= 1.0


def drawn_steps(ax):
    """Histograms by their labels; those without one are numbered."""
    return {patch.get_label() or number: patch for number, patch in enumerate(ax.patches)}


def test_replicates_keep_what_lies_beyond_the_sample():
    wide = CLOUD.map(lambda values: values[:3])._replace(sds=np.full((3, 2), 6.0))
    figure = diagnostics.draw_replicates(SAMPLE, wide, np.random.default_rng(1))
    steps = drawn_steps(figure.axes[0])
    assert len(steps) == 3 + 1 and "sample" in steps
    for patch in (patch for name, patch in steps.items() if name != "sample"):
        density, edges, _ = patch.get_data()
        assert edges[0] < SAMPLE.low and edges[-1] > SAMPLE.high
        assert 0.7 < density @ np.diff(edges) <= 1 + 1e-9  # a density over all values, those out of sight among them


UNEQUAL = Sample(
    np.array([-np.inf, 10.0, 12.0, 16.0, 30.0]),
    np.array([10.0, 12.0, 16.0, 30.0, np.inf]),
    np.array([5, 40, 60, 30, 7]),
)


def test_unequal_and_open_bins_are_drawn_by_their_density():
    figure = figures.draw_sample_and_recipe(UNEQUAL)
    height, edges, _ = drawn_steps(figure.axes[0])["sample"].get_data()
    assert np.diff(edges).tolist() == [2, 2, 4, 14, 14]
    assert (height * np.diff(edges) * 142).round(9).tolist() == [5, 40, 60, 30, 7]
    (density,) = (line for line in figure.axes[0].lines if line.get_label() == "kernel density")
    x, y = density.get_data()
    assert abs(np.trapezoid(y, x) - 1) < 0.01
    assert abs(np.average(x, weights=y) - UNEQUAL.mean()) < 0.1
    assert np.isfinite(figures.grid_over(UNEQUAL)).all()


def test_replicates_beyond_an_open_bin_are_counted_in_it():
    draws = CLOUD.map(lambda values: values[:3])._replace(means=np.array([[-50.0, 90.0]] * 3))
    figure = diagnostics.draw_replicates(UNEQUAL, draws, np.random.default_rng(1))
    for patch in (patch for name, patch in drawn_steps(figure.axes[0]).items() if name != "sample"):
        density, edges, _ = patch.get_data()
        assert density @ np.diff(edges) == pytest.approx(1)
        assert np.flatnonzero(density).tolist() == [0, 4]


def test_chains_are_counted_in_whole_numbers():
    figure, ax = plt.subplots(figsize=(3, 6))
    ax.set(ylim=(0, 3), ylabel="Chain")
    assert any(tick % 1 for tick in ax.get_yticks()), "matplotlib by itself"
    figures.spell_out_labels(figure, "")
    assert not any(tick % 1 for tick in ax.get_yticks())


def test_the_best_number_of_components_is_one_whose_chains_are_trusted():
    counts = pd.DataFrame(
        {
            "bic": [5.0, 4, 6],
            "aic": [5.0, 4, 3],
            "icl": [5.0, 4, 6],
            "elpd": [-9.0, -5, -4],
            "elpd_se": 1.0,
            "trusted": [True, True, False],
            "could_win": False,
        },
        index=[1, 2, 3],
    )
    left, right = figures.draw_component_counts(counts).axes
    assert right.lines[-1].get_xdata()[0] == 2
    rings = [line for line in left.lines if line.get_fillstyle() == "none"]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [(2, 4), (3, 3), (2, 4)]
    assert not {line.get_color() for line in left.lines} & set(figures.COMPONENT)
    _, unsettled = figures.draw_component_counts(counts.assign(could_win=[False, False, True])).axes
    assert [line.get_markersize() for line in right.lines].count(13) == 1
    assert [line.get_markersize() for line in unsettled.lines].count(13) == 0, "no number is ringed"


CUTOFFS = [
    {"between": [1, 2], "value": 2.0, "low": 1.5, "high": np.inf, "misplaced": 0.1},
    {"between": [2, 3], "value": None, "low": None, "high": None, "misplaced": 0.1},
]


def test_cutoffs_are_lines_with_bands_in_both_panels():
    x = figures.grid_over(SAMPLE, 50)
    assert figures.cutoff_places(CUTOFFS, x) == [(2.0, 1.5, x[-1])]
    curve = summarise_memberships(x, CLOUD)
    for ax, without in zip(
        figures.draw_memberships(x, curve, SAMPLE, cutoffs=CUTOFFS).axes,
        figures.draw_memberships(x, curve, SAMPLE).axes,
        strict=True,
    ):
        (line,) = [line for line in ax.lines if line.get_label() == "_cutoff"]
        assert set(line.get_xdata()) == {2.0}
        assert len(ax.patches) == len(without.patches) + 1
        assert not [line for line in without.lines if line.get_label() == "_cutoff"]
    shown = json.loads(play_figure(SAMPLE, CLOUD, EM, cutoffs=CUTOFFS)[MIME])["figure"]
    assert str(shown).count("'name': 'cutoff'") == 2, "one in each panel"


def test_a_component_keeps_its_colour_and_nothing_else_has_it():
    shared = {figures.EM, figures.TRUTH, figures.SAMPLE, figures.POSTERIOR, *figures.CHAIN}
    assert len(set(figures.COMPONENT)) == len(figures.COMPONENT) and not set(figures.COMPONENT) & shared
    lines = {line.get_label(): line.get_color() for line in main_figure().axes[0].lines}
    assert lines["component 1"] == figures.colour(0) and lines["component 2"] == figures.colour(1)
    assert lines["EM"] == figures.EM and lines["truth"] == figures.TRUTH


@pytest.fixture(scope="module")
def payload():
    return json.loads(play_figure(SAMPLE, CLOUD, EM, EM)[MIME])


def test_what_is_stepped_through_is_the_posterior(payload):
    x, columns = (
        unpacked(payload["x"], "<f8"),
        {name: unpacked(text) for name, text in payload["stepper"]["columns"].items()},
    )
    assert payload["stepper"]["count"] == DRAWS and len(x) == POINTS
    last = tuple(values[-1:] for values in CLOUD)
    np.testing.assert_allclose(columns["mixture"][-POINTS:], np.exp(mixture_log_density(x, *last))[0], rtol=1e-4)
    parts = np.exp(component_log_density(x, *last))[0]
    for k in range(2):
        np.testing.assert_allclose(columns[f"component {k + 1}"][-POINTS:], parts[:, k], rtol=1e-4, atol=1e-12)


def test_what_is_read_are_probabilities_within_their_intervals(payload):
    read = [{end: unpacked(each[end]) for end in ("low", "mean", "high")} for each in payload["reader"]["components"]]
    np.testing.assert_allclose(sum(each["mean"] for each in read), 1, rtol=1e-5)
    for each in read:
        assert np.all(each["low"] <= each["high"]) and np.all((each["low"] >= 0) & (each["high"] <= 1))
    assert abs(read[0]["mean"][payload["reader"]["start"]] - 0.5) < 0.2


def test_what_is_undecided_everywhere_is_read_in_the_middle():
    same = CLOUD.map(lambda values: np.repeat(values[:, :1], 2, axis=1))
    payload = json.loads(play_figure(SAMPLE, same._replace(weights=np.full((100, 2), 0.5)), EM)[MIME])
    assert abs(unpacked(payload["x"], "<f8")[payload["reader"]["start"]] - np.median(SAMPLE.value)) < 0.1


def test_the_switches_are_what_there_is_to_show(payload):
    assert [switch["name"] for switch in payload["switches"]] == ["posterior", "EM", "truth", "one draw"]
    without = json.loads(play_figure(SAMPLE, CLOUD, EM)[MIME])
    assert [switch["name"] for switch in without["switches"]] == ["posterior", "EM", "one draw"]


@pytest.mark.parametrize("family", SD_FAMILIES)
def test_priors_draw_what_they_say(family):
    priors = choose_priors(SAMPLE, 2, [0.0, 5.0], [1.0, 4.0], family, 2.0, 3.0)
    weights, means, sds = priors.draw(4000, np.random.default_rng(1))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(means.mean(axis=0), [0, 5], atol=0.1)
    rng = np.random.default_rng(2)
    beta = rng.gamma(0.2, 2.0**2 / 10, 100_000)
    median = {"uniform": 1, "halfnormal": 1.349, "lognormal": 2}
    median["hierarchical"] = np.median((beta / rng.gamma(2, size=100_000)) ** 0.5)
    assert np.all(sds > 0)
    assert np.median(sds) == pytest.approx(median[family], rel=0.25 if family == "hierarchical" else 0.05)


def test_handles_move_the_picture_and_the_lines_for_a_params_file():
    priors = choose_priors(SAMPLE, 2, [0.0, 5.0], [1.0, 4.0], "uniform", 2.0)
    handles, picture, lines = explore_priors(SAMPLE, priors).children
    before = picture.value
    assert as_parameters(priors) in lines.value and before.startswith("<svg")
    handles.children[0].value = 3.0
    assert "mean_prior_mean: [3, 5]" in lines.value and picture.value != before


def test_a_report_which_nobody_can_touch_has_no_handles(monkeypatch, tmp_path):
    monkeypatch.setenv(UNATTENDED, kernel_environment(tmp_path)[UNATTENDED])
    assert explore_priors(SAMPLE, choose_priors(SAMPLE, 2)) is None


@pytest.mark.filterwarnings("ignore:Your data appears to have a single value")
@pytest.mark.parametrize("k", [1, 2, 5])
def test_chains_of_any_number_of_components_have_their_pictures(k):
    rng = np.random.default_rng(k)
    shape = 4, 100, k
    weights = np.ones(shape) if k == 1 else rng.dirichlet(np.ones(k), shape[:2])
    draws = Components(weights, rng.normal(size=shape), np.exp(rng.normal(size=shape)))
    tree = xr.DataTree.from_dict({"posterior": as_dataset(draws)})
    pictured = diagnostics.slowest_components(tree)
    assert len(pictured) == min(k, diagnostics.MOST_PANELS) and pictured == sorted(pictured)
    assert len(diagnostics.draw_traces(tree).axes) >= 6
    for picture in (diagnostics.draw_ranks(tree, 1), diagnostics.draw_growth(tree, 400)):
        assert len(picture.axes) >= 3 * len(pictured)


@pytest.mark.parametrize("k", [1, 3, 4])
def test_the_posterior_has_a_histogram_for_each_component_with_its_truth_and_prior(k):
    rng, shape = np.random.default_rng(4), (2, 100, k)
    weights = np.ones(shape) if k == 1 else rng.dirichlet(np.ones(k), shape[:2])
    middle = 10.0 * np.arange(k)
    draws = Components(weights, middle + rng.normal(size=shape), np.ones(shape))
    prior = Components(weights[:1], np.full((1, 100, k), middle), np.ones((1, 100, k)))
    tree = xr.DataTree.from_dict({"posterior": as_dataset(draws), "prior": as_dataset(prior)})
    panels = diagnostics.draw_posterior_grid(tree, "mu", "mean", middle).axes
    assert [ax.get_title("left") for ax in panels] == [f"component {i + 1}" for i in range(k)]
    for i, ax in enumerate(panels):
        heights, edges, _ = ax.patches[0].get_data()
        assert heights @ np.diff(edges) == pytest.approx(1)
        assert abs(edges[heights.argmax()] - middle[i]) < 2
        averaged, true = ax.lines
        left, right = ax.get_xlim()
        assert averaged.get_ydata()[0] == pytest.approx(1 / (right - left)) and true.get_xdata()[0] == middle[i]
        assert (ax.get_xlabel() != "") == (i + 3 >= k) and (ax.get_ylabel() != "") == (i % 3 == 0)


def test_a_value_far_from_all_components_does_not_press_the_figure_together():
    far = Sample.of_values(np.append(SAMPLE.value, SAMPLE.high + 100 * SAMPLE.sd()))
    lone = CLOUD.map(lambda values: np.concatenate([values, values[:, :1]], axis=1))
    lone.weights[:, 2], lone.means[:, 2] = 0.005, far.high
    x = figures.grid_over(far, draws=lone)
    assert x[0] < SAMPLE.low and SAMPLE.high < x[-1] < SAMPLE.high + 10 * SAMPLE.sd()
    assert figures.describe_beyond(far, lone) == {"values": 1, "components": [3]}
    assert figures.describe_beyond(SAMPLE, CLOUD) == {"values": 0, "components": []}
    np.testing.assert_array_equal(figures.grid_over(SAMPLE, draws=CLOUD), figures.grid_over(SAMPLE))
    played = json.loads(play_figure(far, lone, EM)[MIME])
    np.testing.assert_array_equal(unpacked(played["x"], "<f8"), figures.grid_over(far, POINTS, lone))
    (ax,) = figures.draw_fits(far, lone, EM).axes
    assert ax.get_xlim()[1] < SAMPLE.high + 20 * SAMPLE.sd()
    height, edges, _ = drawn_steps(ax)["sample"].get_data()
    assert height @ np.diff(edges) == pytest.approx(SAMPLE.n / far.n)


def test_no_figure_leaves_out_what_many_values_are():
    """Components that miss the sample, and fifty light ones."""
    missed = CLOUD.map(lambda values: values)._replace(means=CLOUD.means + 1000)
    np.testing.assert_array_equal(figures.grid_over(SAMPLE, draws=missed), figures.grid_over(SAMPLE))
    light = Components(np.full((3, 60), 1 / 60), np.full((3, 60), SAMPLE.mean()), np.full((3, 60), SAMPLE.sd()))
    np.testing.assert_array_equal(figures.grid_over(SAMPLE, draws=light), figures.grid_over(SAMPLE))
