"""Three ways to move the latent assignment of every observation, for use inside `pm.sample`.

Each step records `moved`, the share of observations whose assignment changed,
and `mean_label`, the mean of the assignments: a chain whose assignments are
stuck shows there, even where w, mu and sigma given them mix well.
"""

import numpy as np
import pymc as pm
from pymc.step_methods import CategoricalGibbsMetropolis, Metropolis
from pymc.step_methods.compound import BlockedStep, StepMethodState
from pymc.util import get_random_generator, get_value_vars_from_user_vars
from scipy import special


RECORDED = {"moved": (np.float64, []), "mean_label": (np.float64, [])}


def _record(before, after):
    return {"moved": np.mean(after != before), "mean_label": np.mean(after)}


def draw_assignments(values, weights, means, sds, rng):
    """Draw every assignment from its exact conditional, p(z_i = k) ~ w_k Normal(x_i | mu_k, sigma_k).

    Parameters
    ----------
    values : ndarray, shape (N,)
    weights, means, sds : ndarray, shape (K,)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (N,)
    """
    with np.errstate(divide="ignore"):  # an empty component has weight 0, log -inf
        constant = np.log(weights) - np.log(sds)
    joint = np.empty((len(constant), len(values)))
    for k in range(len(joint)):  # a row a component: three times as fast as a column
        z = (values - means[k]) / sds[k]
        joint[k] = constant[k] - z * z / 2
    cumulative = np.exp(joint - joint.max(axis=0)).cumsum(axis=0)
    threshold = rng.random(len(values)) * cumulative[-1]
    return (cumulative[:-1] <= threshold).sum(axis=0)


class GibbsAssignment(BlockedStep):
    """Draw all assignments at once from their exact conditional; nothing is ever rejected."""

    name = "gibbs_assignment"
    stats_dtypes_shapes = RECORDED
    _state_class = StepMethodState

    def __init__(self, vars, *, model=None, rng=None, initial_point=None, compile_kwargs=None, blocked=True):
        model = pm.modelcontext(model)
        self.vars = get_value_vars_from_user_vars(vars, model)
        self.rng = get_random_generator(rng)
        self.values = model["values"].get_value()
        inputs = [v for v in model.value_vars if v not in self.vars]
        components = model.replace_rvs_by_values([model[name] for name in ("w", "mu", "sigma")])
        self.components = model.compile_fn(components, inputs=inputs, point_fn=False, **(compile_kwargs or {}))
        self.inputs = [v.name for v in inputs]

    def step(self, point):
        name = self.vars[0].name
        components = self.components(*(point[other] for other in self.inputs))
        drawn = draw_assignments(self.values, *components, self.rng).astype(point[name].dtype)
        return {**point, name: drawn}, [_record(point[name], drawn)]


class _CountsMoves:
    """Adds `moved` to what a step of PyMC's own records."""

    def step(self, point):
        name = self.vars[0].name
        drawn, (recorded,) = super().step(point)
        return drawn, [{**recorded, **_record(point[name], drawn[name])}]


class CountedCategoricalGibbs(_CountsMoves, CategoricalGibbsMetropolis):
    """PyMC's step for categorical variables: one observation after the other, the whole model for each."""

    stats_dtypes_shapes = RECORDED


class CountedMetropolis(_CountsMoves, Metropolis):
    """PyMC's Metropolis step on the whole vector of assignments, as PyMC 2 did.

    PyMC's own default updates a vector one element after the other, at the
    cost of the whole model for each; here one proposal changes all, and one
    acceptance decides.
    """

    stats_dtypes_shapes = {**Metropolis.stats_dtypes_shapes, **RECORDED}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.elemwise_update, self.enum_dims = False, np.arange(1)
        self.accept_rate_iter, self.accepted_iter = np.zeros(1), np.zeros(1, bool)
        self.accepted_sum = np.zeros(1, int)
        # One observation a proposal to begin with: from 1, PyMC's tuning by tens skips from all observations to none.
        self.scaling[:] = 0.5 / special.ndtri(1 - 0.5 / len(self.discrete))


STEPS = {"gibbs": GibbsAssignment, "categorical-gibbs": CountedCategoricalGibbs, "metropolis": CountedMetropolis}


def assignment_step(model, latent_step):
    """The step method for the assignments of a latent model.

    Parameters
    ----------
    model : pymc.Model
        From ``build_model(..., latent=True)``.
    latent_step : {"gibbs", "categorical-gibbs", "metropolis"}

    Returns
    -------
    pymc BlockedStep
    """
    with model:
        return STEPS[latent_step]([model["assignment"]])
