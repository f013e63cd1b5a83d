"""Three ways to move the latent assignment of every observation, for use inside `pm.sample`.

Each step for the assignments records `moved`, the share of observations whose assignment changed,
and `mean_label`, the mean of the assignments: a chain whose assignments are
stuck shows there, even where w, mu and sigma given them mix well.
"""

import weakref

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.blocking import PointType, StatsType
from pymc.model.core import BaseModel, ValueGradFunction
from pymc.step_methods import CategoricalGibbsMetropolis, Metropolis
from pymc.step_methods.compound import BlockedStep, StepMethodState
from pymc.util import get_random_generator, get_value_vars_from_user_vars
from scipy import special

RECORDED = {"moved": (np.float64, []), "mean_label": (np.float64, [])}


def _record(before, after):
    return {"moved": np.mean(after != before), "mean_label": np.mean(after)}


def draw_assignments(
    values: np.ndarray, weights: np.ndarray, means: np.ndarray, sds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
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
    # A row a component, and rows summed by hand: at a thousand values three times as fast as columns and cumsum.
    joint = (values - means[:, None]) / sds[:, None]
    joint *= -joint / 2
    joint += constant[:, None]
    cumulative = np.exp(joint - joint.max(axis=0))
    for k in range(1, len(cumulative)):
        cumulative[k] += cumulative[k - 1]
    threshold = rng.random(len(values)) * cumulative[-1]
    return (cumulative[:-1] <= threshold).sum(axis=0)


def summarise_components(values: np.ndarray, assignment: np.ndarray, k: int) -> np.ndarray:
    """How many values each component has, their mean (0 for none) and their sum of squares around it.

    Given the assignments, no more of the values enters the density of w, mu and sigma.

    Parameters
    ----------
    values : ndarray, shape (N,)
    assignment : ndarray of int, shape (N,)
    k : int
        Number of components.

    Returns
    -------
    ndarray, shape (3, K)
    """
    member = assignment == np.arange(k)[:, None]
    count = member.sum(axis=1)
    mean = (member * values).sum(axis=1) / np.maximum(count, 1)
    return np.stack([count, mean, (member * (values - mean.take(assignment)) ** 2).sum(axis=1)])


def _components(model):
    return [variable for variable in model.free_RVs if variable.name != "assignment"]


# Compiled once a model, which is a good half of what a short chain takes.
_densities = weakref.WeakKeyDictionary()


def _density_by_summary(model):
    """log p(w, mu, sigma, assignments, values) with its gradient, and the shared summary that it reads."""
    free, k = _components(model), model["mu"].type.shape[0]
    summary = pytensor.shared(np.ones((3, k)), "summary", shape=(3, k))
    count, mean, squares = (summary[i] for i in range(3))
    w, mu, sigma = (model[name] for name in ("w", "mu", "sigma"))
    given = pt.sum(
        count * (pt.log(w) - pt.log(sigma) - np.log(2 * np.pi) / 2)
        - (squares + count * (mean - mu) ** 2) / (2 * sigma**2)
    )
    total = model.logp(free) + model.replace_rvs_by_values([given])[0]
    density = ValueGradFunction(
        [total],
        [model.rvs_to_values[variable] for variable in free],
        {},
        ravel_inputs=True,
        model=model,
        trust_input=True,
    )
    density.set_extra_values({})
    return density, summary


class SummaryNUTS(pm.NUTS):
    """NUTS for w, mu and sigma given the assignments, whose gradient costs the same at any N.

    The model's own log density, summed over each component's observations by `summarise_components`.
    """

    def __init__(self, *, model=None, **options):
        model = pm.modelcontext(model)
        self.data = model["values"]
        if model not in _densities:
            _densities[model] = _density_by_summary(model)
        density, self.summary = _densities[model]
        super().__init__(_components(model), model=model, logp_dlogp_func=density, **options)

    def step(self, point: PointType) -> tuple[PointType, StatsType]:
        values, k = self.data.get_value(borrow=True), self.summary.type.shape[1]
        self.summary.set_value(summarise_components(values, point["assignment"], k), borrow=True)
        moved, stats = super().step({name: point[name] for name in self.var_names})
        return {**point, **moved}, stats


class GibbsAssignment(BlockedStep):
    """Draw all assignments at once from their exact conditional; nothing is ever rejected."""

    name = "gibbs_assignment"
    stats_dtypes_shapes = RECORDED
    _state_class = StepMethodState

    def __init__(self, vars, *, model=None, rng=None, initial_point=None, compile_kwargs=None, blocked=True):
        model = pm.modelcontext(model)
        self.vars = get_value_vars_from_user_vars(vars, model)
        self.rng = get_random_generator(rng)
        self.data = model["values"]
        inputs = [v for v in model.value_vars if v not in self.vars]
        components = model.replace_rvs_by_values([model[name] for name in ("w", "mu", "sigma")])
        self.components = model.compile_fn(components, inputs=inputs, point_fn=False, **(compile_kwargs or {}))
        self.inputs = [v.name for v in inputs]

    def step(self, point: PointType) -> tuple[PointType, StatsType]:
        name = self.vars[0].name
        components = self.components(*(point[other] for other in self.inputs))
        drawn = draw_assignments(self.data.get_value(borrow=True), *components, self.rng).astype(point[name].dtype)
        return {**point, name: drawn}, [_record(point[name], drawn)]


class _CountsMoves:
    """Adds `moved` to what a step of PyMC's own records."""

    def step(self, point: PointType) -> tuple[PointType, StatsType]:
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


def latent_steps(model: BaseModel, latent_step: str, target_accept: float) -> tuple[BlockedStep, BlockedStep]:
    """The step methods of a latent model: NUTS for w, mu and sigma, and `latent_step` for the assignments.

    Parameters
    ----------
    model : pymc.Model
        From ``build_model(..., latent=True)``.
    latent_step : {"gibbs", "categorical-gibbs", "metropolis"}
        PyMC's own NUTS goes with the last two.
    target_accept : float

    Returns
    -------
    tuple of pymc BlockedStep
    """
    with model:
        if latent_step == "gibbs":
            nuts = SummaryNUTS(target_accept=target_accept)
        else:
            nuts = pm.NUTS(_components(model), target_accept=target_accept)
        return nuts, STEPS[latent_step]([model["assignment"]])
