"""The schema refuses what cannot be run, in one line, and agrees with everything that names a parameter."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mixture.messages import InputError
from parameters import NAMES, Parameters, check
from runner.parameters_page import PAGE, parameters_page
from runner.params_files import load, read_yaml
from runner.stages import join_lines, read_chain, tags

ROOT = Path(__file__).resolve().parents[2]

BAD = {
    "unknown name": ({"n_sampels": 10}, "n_sampels: no such parameter; did you mean n_samples?"),
    "wrong type": ({"draws": "many"}, "draws: given 'many'"),
    "true is not one": ({"chains": True}, "chains: given True"),
    "weights do not sum to one": ({"weights": [0.7, 0.2]}, "sum to 0.9"),
    "sd of zero": ({"sds": [10, 0]}, "sds[1]: given 0"),
    "negative sd": ({"sds": [-1, 20]}, "sds[0]: given -1"),
    "lists of different lengths": ({"means": [1, 2, 3]}, "given 3, 2 and 2 values"),
    "too few samples": ({"n_samples": 3}, "at least 2 x n_components = 4"),
    "not finite": ({"means": [1, float("nan")]}, "means[1]: given nan"),
    "no such choice": ({"sampler": "stan"}, "sampler: given 'stan'"),
    "no such data": ({"data": "no/such/file.csv"}, "data: given 'no/such/file.csv'"),
    "no component": ({"n_components": 0}, "n_components: given 0; allowed: a whole number from 1 to 50, or auto"),
    "too many components": (
        {"n_components": 51},
        "n_components: given 51; allowed: a whole number from 1 to 50, or auto",
    ),
    "components in words": ({"n_components": "many"}, "given 'many'; allowed: a whole number from 1 to 50, or auto"),
    "half a component": ({"n_components": 2.5}, "given 2.5; allowed: a whole number from 1 to 50, or auto"),
    "true is no component": ({"n_components": True}, "given True; allowed: a whole number from 1 to 50, or auto"),
    "centers for an unknown number": (
        {"n_components": "auto", "mean_prior_mean": [1, 2]},
        "mean_prior_mean: given 2 values; allowed: null with n_components auto",
    ),
    "a prior center too few": ({"mean_prior_mean": [1]}, "mean_prior_mean: given 1 values"),
}


@pytest.mark.parametrize("values, line", BAD.values(), ids=BAD)
def test_bad_values_are_refused_in_one_line(values, line):
    with pytest.raises(InputError) as error:
        check(values)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_every_mistake_has_its_line():
    with pytest.raises(InputError) as error:
        check({"draws": 0, "tune": 0})
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["draws", "tune"]


@pytest.mark.parametrize("text", ["- a list", "a: [1", "1: 2"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "params.yml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_yaml(path)


def test_a_name_given_twice_is_refused_and_one_that_is_merged_in_is_not(tmp_path):
    path = tmp_path / "params.yml"
    path.write_text("draws: 100\ntune: 10\ndraws: 200\n")
    with pytest.raises(InputError, match="draws is given twice in .* line 1"):
        read_yaml(path)
    path.write_text("a: &a {draws: 100, tune: 10}\nb: &b {<<: *a, draws: 200}\nc: {<<: *b, draws: 300}\n")
    assert read_yaml(path)["c"] == {"draws": 300, "tune": 10}


def test_overrides_win(tmp_path):
    path = tmp_path / "params.yml"
    path.write_text("draws: 100\nseed: 1\n")
    values = load(path, {"draws": 200})
    assert (values.draws, values.seed, values.tune) == (200, 1, Parameters().tune)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
def test_weights_are_taken_exactly_when_they_sum_to_one(parts):
    weights = [part / sum(parts) for part in parts]
    given_values = {"means": [float(i) for i in range(len(parts))], "sds": [1.0] * len(parts)}
    assert check({**given_values, "weights": weights}).weights == weights
    with pytest.raises(InputError):
        check({**given_values, "weights": [weight * 0.99 for weight in weights]})


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yml")), ids=lambda path: path.stem)
def test_the_params_files_are_valid(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    load(path)


def notebook_defaults(stage):
    """The literals in a stage's parameters cell."""
    (cell,) = (cell for cell in stage.cells if "parameters" in tags(cell))
    tree = ast.parse(join_lines(cell["source"]))
    assert all(isinstance(node, ast.Assign) for node in tree.body), "a parameters cell holds assignments only"
    return {to.id: ast.literal_eval(node.value) for node in tree.body for to in node.targets}


@pytest.mark.parametrize("stage", read_chain(), ids=lambda stage: stage.name)
def test_a_parameters_cell_holds_the_seeds_own_report(stage, monkeypatch):
    """By itself in JupyterLab, a notebook shows what `make report` runs."""
    monkeypatch.chdir(ROOT)
    values = notebook_defaults(stage)
    assert values.pop("run_dir") == "../runs/lab"
    expected = load("params/default.yml").model_dump()
    assert values == {name: expected[name] for name in values}


def test_every_parameter_reaches_a_notebook_or_the_page():
    used = {name for stage in read_chain() for name in stage.parameters}
    assert set(NAMES) - used == {"title", "by"}


def test_no_numbered_notebook_is_stored_with_papermill_metadata():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert "papermill" not in notebook["metadata"]


def test_every_parameter_is_explained():
    for name, field in Parameters.model_fields.items():
        assert field.description, name
        assert set(field.json_schema_extra) == {"group", "unit"}, name


def test_the_page_of_parameters_is_that_of_the_schema():
    """Written by `python -m runner.parameters_page`."""
    stored = PAGE.read_text(encoding="utf-8")
    assert stored == parameters_page()
    assert [name for name in NAMES if f"| `{name}` |" not in stored] == []
    assert "| `seed` | 20160508 |  |  | root seed; every random step draws its own child |" in stored


def test_yaml_numbers_in_scientific_notation_are_numbers():
    assert check({"em_tolerance": yaml.safe_load("1e-6")}).em_tolerance == 1e-6


FAR = {
    "mean_prior_mean": [1e6, 2e6],
    "mean_prior_precision": [1e6, 1e6],
    "sd_prior": "uniform",
    "sd_prior_scale": 0.001,
}


def test_priors_under_which_the_sample_is_impossible_are_refused():
    with pytest.raises(InputError, match="given priors under which values around 150 are impossible"):
        check(FAR)
    check(FAR | {"sd_prior_scale": 1e6})
    check(FAR | {"sd_prior": "lognormal"})  # its tail reaches everywhere
    with pytest.raises(InputError, match="impossible"):
        check({**FAR, "data": str(ROOT / "data" / "faithful.csv")}).refuse_forbidding_priors(43.0, 96.0)
