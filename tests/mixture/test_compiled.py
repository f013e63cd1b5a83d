"""Models of one form are compiled once, and no data of one reaches the other."""

import pytest
from fits import fit, simulated
from numpy.testing import assert_array_equal

from mixture.bayes.compiled import shared_model
from mixture.bayes.model import build_model
from mixture.bayes.priors import choose_priors
from mixture.data.cells import group_sample
from mixture.data.sample import Sample

pytestmark = pytest.mark.longer  # each compiles a model

ONE, OTHER = (Sample.of_values(simulated(60, seed=seed).value) for seed in (1, 2))
PRIORS = {family: choose_priors(ONE, 2, sd_prior=family) for family in ("uniform", "halfnormal", "lognormal")}


@pytest.mark.parametrize("family", PRIORS)
@pytest.mark.parametrize("latent", [False, True])
def test_models_that_differ_in_their_data_alone_share_a_twin_that_has_the_last_ones_data(family, latent):
    models = [build_model(sample, PRIORS[family], latent=latent) for sample in (ONE, OTHER)]
    twins = [shared_model(model) for model in models]
    assert twins[0] is twins[1]
    assert_array_equal(twins[0]["values"].get_value(), OTHER.value)
    assert_array_equal(models[0]["values"].get_value(), ONE.value)
    point = models[0].initial_point()
    assert twins[0].compile_logp()(point) == pytest.approx(models[1].compile_logp()(point), rel=1e-12)


def test_models_of_as_many_cells_do_too():
    cells = group_sample(ONE, 0.5)
    other = Sample(cells.lower + 1, cells.upper + 1, cells.count[::-1])
    models = [build_model(sample, PRIORS["lognormal"]) for sample in (cells, other)]
    twins = [shared_model(model) for model in models]
    assert twins[0] is twins[1]
    assert_array_equal(twins[0]["count"].get_value(), models[1]["count"].get_value())
    point = models[0].initial_point()
    assert twins[0].compile_logp()(point) == pytest.approx(models[1].compile_logp()(point), rel=1e-12)


def test_models_of_another_form_do_not():
    plain = build_model(ONE, PRIORS["lognormal"])
    others = [
        build_model(ONE, PRIORS["uniform"]),
        build_model(ONE, choose_priors(ONE, 2, mean_prior_mean=[0, 1])),
        build_model(ONE, choose_priors(ONE, 3)),
        build_model(ONE, PRIORS["lognormal"], latent=True),
        build_model(ONE, PRIORS["lognormal"], ordering=False),
        build_model(Sample.of_values(ONE.value[:-1]), PRIORS["lognormal"]),
    ]
    assert len({shared_model(model) for model in [plain, *others]}) == 1 + len(others)


@pytest.mark.parametrize("latent", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_fit_is_the_same_just_compiled_and_after_another_sample_s(latent):
    def draws(sample):
        return fit(sample, priors=PRIORS["lognormal"], draws=50, latent=latent).tree["posterior"]["mu"].values

    first, other, again = draws(ONE), draws(OTHER), draws(ONE)
    assert_array_equal(first, again)
    assert (first != other).all()
