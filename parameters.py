"""The one schema: every parameter's name, type, default, unit, meaning and limits.

The notebooks' parameters cells, the command line, the params and sweep files
and docs/parameters.md all agree with this file; tests/runner/test_parameters.py
holds them together. Nothing here runs a model: a set of parameters that gets past
`Parameters` may start a kernel, and one that does not is refused in one line.
"""

import difflib
import glob
import os
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from mixture.messages import USABLE_RANGE, InputError, format_name, format_value, is_usable_range, to_one_line

MAX_LINES = 10  # of one refusal
# What plays no part where there is a file, and where there is none.
SIMULATED_ONLY = ("n_samples", "means", "sds", "weights", "component_counts")
FILE_ONLY = ("column", "counts", "lower", "upper", "by", "transform", "missing", "scheduler")
LONGER = 4  # times as many draws and tuning steps, where a run was too short


def _refuse_bool(value):
    """`true` is not the number 1, whatever Python says."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


Integer = Annotated[int, BeforeValidator(_refuse_bool)]
Real = Annotated[float, BeforeValidator(_refuse_bool)]
_Count = TypeAdapter(Annotated[Integer, Field(ge=1, le=50)])


def _count_or_auto(value):
    """One message for a number that is none, where a union of types would give one for each."""
    if value is None or value == "auto":
        return value
    try:
        return _Count.validate_python(value)
    except ValidationError:
        raise ValueError("should be a whole number from 1 to 50, or auto") from None


def _between(low, high):
    """Limits beyond which squares overflow or vanish in double precision; see `mixture.messages.USABLE_RANGE`."""

    def refuse(value):
        if not low < value < high:
            raise ValueError(f"should be a number between {low:g} and {high:g}")
        return value

    return AfterValidator(refuse)


Finite = Annotated[Real, _between(-1e100, 1e100)]
Positive = Annotated[Real, Field(gt=0), _between(1e-100, 1e100)]
Precision = Annotated[Real, Field(gt=0), _between(1e-200, 1e200)]
Weight = Annotated[Real, Field(gt=0, le=1)]


def _field(default, group, meaning, unit="", **limits):
    return Field(default, description=meaning, json_schema_extra={"group": group, "unit": unit}, **limits)


def _title(data, column, transform):
    """Of a report that was given none."""
    if not isinstance(data, str):
        return "A Gaussian mixture, two ways"
    parts = [part for part in (column, os.path.basename(os.path.normpath(data))) if isinstance(part, str) and part]
    logs = "the logarithms of " if transform == "log" else ""
    return to_one_line(f"Gaussian components of {logs}{' in '.join(parts)}", 200)


class Parameters(BaseModel):
    """All parameters of one report.

    Raises
    ------
    pydantic.ValidationError
        For an unknown name, a wrong type or a value outside its limits;
        `check` turns it into one line.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    # sample
    data: str | None = _field(None, "sample", "file, folder or glob to read; null simulates", min_length=1)
    column: str | None = _field(None, "sample", "column to read; null takes the only numeric one")
    counts: str | None = _field(
        None,
        "sample",
        "column with how often each value, or a value in each bin, was found; null: each row is one value",
    )
    lower: str | None = _field(
        None,
        "sample",
        "column with the lower ends of bins, with upper and counts; empty or infinite: open",
        "data units",
    )
    upper: str | None = _field(
        None, "sample", "column with the upper ends of bins, which touch and may differ in width", "data units"
    )
    unit: str | None = _field(
        None, "sample", "of the values, for axes and tables; null: data units", min_length=1, max_length=40
    )
    by: str | None = _field(
        None, "sample", "column whose labels split the sample: a report for each group, and one that compares them"
    )
    transform: Literal["log"] | None = _field(
        None,
        "sample",
        "log: the natural logarithms of the values are fitted, and results given in data units too; all that is said of "
        "data units below is then of logarithms",
    )
    missing: Literal["refuse", "drop"] = _field("refuse", "sample", "missing values in the column: refuse or drop")
    scheduler: str | None = _field(
        None, "sample", "address of a Dask scheduler that reads a large file; null: this machine's cores", min_length=1
    )
    seed: Integer = _field(20160508, "sample", "root seed; every random step draws its own child", ge=0, lt=2**63)
    n_samples: Integer = _field(1000, "sample", "N, observations to simulate", ge=1, le=10**15)
    means: list[Real] = _field([150.0, 200.0], "sample", "true component means", "data units", min_length=1)
    sds: list[Positive] = _field(
        [10.0, 20.0], "sample", "true component standard deviations", "data units", min_length=1
    )
    weights: list[Weight] = _field([0.7, 0.3], "sample", "true component weights, sum 1", min_length=1)
    component_counts: Literal["fixed", "random"] = _field(
        "fixed", "sample", "fixed: floor(weight x N), remainder to the largest fractions; random: multinomial"
    )

    # model
    n_components: Annotated[int | Literal["auto"] | None, BeforeValidator(_count_or_auto)] = _field(
        None,
        "model",
        "K, 1 to 50 components in the model; auto: drawn along with all else, then the most probable number; "
        "null: as many as means to simulate, or for a file as priors of means, if given; else auto",
    )
    n_components_prior: Literal["uniform", "poisson", "bnb"] = _field(
        "uniform",
        "model",
        "with n_components auto: uniform on 1 to 30, poisson (mean 1, at least 1) or bnb (K - 1 beta-negative-binomial "
        "(1, 4, 3))",
    )
    model: Literal["marginal", "latent"] = _field(
        "marginal", "model", "assignments summed out, or drawn for each observation as the post did"
    )
    likelihood: Literal["auto", "exact", "grouped"] = _field(
        "auto",
        "model",
        "every value as it is, or counts in cells; auto: cells where they are cheaper or the values rounded",
    )
    cell_width: Positive | None = _field(
        None, "model", "width of the cells; null: 0.1 of the smallest sd of a pilot EM", "data units"
    )
    mean_prior_mean: list[Finite] | None = _field(
        None, "model", "center of each mean's Normal prior; null: the data's midrange", "data units"
    )
    mean_prior_precision: list[Precision] | None = _field(
        None, "model", "precision of each mean's Normal prior; null: 1 / range^2", "1 / data units^2"
    )
    sd_prior: Literal["uniform", "halfnormal", "lognormal", "hierarchical"] | None = _field(
        None,
        "model",
        "family of the sds' prior; hierarchical: precisions Gamma(2, beta), beta Gamma(0.2, 10 / range^2); "
        "null: hierarchical with n_components auto, else lognormal",
    )
    sd_prior_scale: Positive | None = _field(
        None,
        "model",
        "upper end (uniform), scale (halfnormal), median (lognormal) or range (hierarchical); null: range / 6K "
        "(lognormal), the range (hierarchical), range / 2",
        "data units",
    )
    weight_concentration: Positive = _field(1.0, "model", "concentration of the weights' Dirichlet prior")

    # sampling
    chains: Integer = _field(4, "sampling", "independent chains", ge=2, le=64)
    draws: Integer = _field(1000, "sampling", "kept per chain", ge=10, le=10**7)
    tune: Integer = _field(1000, "sampling", "tuning steps per chain, not kept", ge=10, le=10**7)
    target_accept: Annotated[Real, Field(gt=0, lt=1)] = _field(0.9, "sampling", "NUTS target acceptance rate")
    sampler: Literal["auto", "gibbs", "nutpie", "pymc"] = _field(
        "auto",
        "sampling",
        "of the marginal model: gibbs, or NUTS by nutpie or pymc; auto: gibbs where a sweep is cheap",
    )
    latent_step: Literal["gibbs", "categorical-gibbs", "metropolis"] = _field(
        "gibbs", "sampling", "how the latent model moves the assignments"
    )
    keep_assignments: bool = _field(False, "sampling", "keep the assignment of each observation in each draw")

    # EM
    em_starts: Integer = _field(20, "EM", "random starts; the best is kept", ge=1, le=10**5)
    em_tolerance: Positive = _field(1e-8, "EM", "stop when the mean log likelihood gains less")
    em_variance: Literal["free", "equal"] = _field("free", "EM", "one variance a component, or one for all")
    k_max: Integer | None = _field(
        None,
        "EM",
        "largest number of components to compare; null: no comparison, or with n_components auto those left open",
        ge=1,
        le=20,
    )

    # report
    title: str | None = _field(
        None,
        "report",
        "title of the report; null: the column and the file, if there is one",
        min_length=1,
        max_length=200,
    )
    interval: Annotated[Real, Field(gt=0, lt=1)] = _field(
        0.95, "report", "probability inside the highest-density intervals"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values):
        """What depends on another parameter and was not given."""
        if not isinstance(values, dict):
            return values
        filled = dict(values)
        if filled.get("n_components") is None:
            if filled.get("data") is None:
                known = [filled.get("means", cls.model_fields["means"].default)]
            else:
                known = [filled.get(name) for name in ("mean_prior_mean", "mean_prior_precision")]
            lengths = [len(each) for each in known if isinstance(each, list) and each]
            filled["n_components"] = lengths[0] if lengths else "auto" if filled.get("data") is not None else 2
        if filled.get("sd_prior") is None:
            filled["sd_prior"] = "hierarchical" if filled["n_components"] == "auto" else "lognormal"
        if filled.get("title") is None:
            filled["title"] = _title(*(filled.get(name) for name in ("data", "column", "transform")))
        return filled

    @property
    def least_components(self) -> int:
        """K, or 1 where it is not known before the fit."""
        return 1 if self.n_components == "auto" else self.n_components

    @model_validator(mode="after")
    def _agree(self):
        if self.data is None:
            of_data = dict.fromkeys(name for name in FILE_ONLY if name not in ("missing", "scheduler"))
            for name, default in {"missing": "refuse", **of_data}.items():
                if getattr(self, name) != default:
                    raise ValueError(
                        f"{name}: given {format_value(getattr(self, name))} without data; allowed: with data"
                    )
            lengths = {len(self.means), len(self.sds), len(self.weights)}
            if len(lengths) > 1:
                raise ValueError(
                    f"means, sds, weights: given {len(self.means)}, {len(self.sds)} and {len(self.weights)} values; "
                    "allowed: the same number in each"
                )
            if abs(sum(self.weights) - 1) > 1e-6:
                raise ValueError(
                    f"weights: given {format_value(self.weights)}, which sum to {sum(self.weights):g}; allowed: sum 1"
                )
            low = min(mean - sd for mean, sd in zip(self.means, self.sds))
            high = max(mean + sd for mean, sd in zip(self.means, self.sds))
            if not is_usable_range(low, high):
                raise ValueError(f"means, sds: given values from {low:g} to {high:g}; allowed: {USABLE_RANGE}")
            if self.n_samples < 2 * self.least_components:
                raise ValueError(
                    f"n_samples: given {self.n_samples}; allowed: at least 2 x n_components = {2 * self.least_components}"
                )
        elif not os.path.exists(self.data) and next(glob.iglob(self.data), None) is None:
            raise ValueError(f"data: given {format_value(self.data)}; allowed: a file, folder or glob that exists")
        self._refuse_half_of_bins()
        if self.model == "latent":
            several = self.n_components != "auto" and self.n_components > 1
            allowed = {"n_components": several, "likelihood": self.likelihood != "grouped"}
            for name in (name for name, fine in allowed.items() if not fine):
                raise ValueError(
                    f"{name}: given {getattr(self, name)!r}; allowed with model latent: "
                    "two or more components, likelihood auto or exact"
                )
        if self.cell_width is not None and self.likelihood == "exact":
            raise ValueError(f"cell_width: given {self.cell_width:g}; allowed: null with likelihood exact")
        for name in ("mean_prior_mean", "mean_prior_precision"):
            values = getattr(self, name)
            if values is not None and self.n_components == "auto":
                raise ValueError(f"{name}: given {len(values)} values; allowed: null with n_components auto")
            if values is not None and len(values) != self.n_components:
                raise ValueError(
                    f"{name}: given {len(values)} values; allowed: one for each of n_components = {self.n_components}"
                )
        if self.data is None:
            self.refuse_forbidding_priors(min(self.means), max(self.means))
        return self

    def _refuse_half_of_bins(self):
        """Bins have two ends and counts, no values, and are no single observations to assign."""
        if self.lower is None and self.upper is None:
            return
        for name in (name for name in ("lower", "upper", "counts") if getattr(self, name) is None):
            raise ValueError(f"{name}: not given; allowed: the columns of lower, upper and counts together")
        refused = {"column": self.column, "likelihood": self.likelihood == "exact", "model": self.model == "latent"}
        for name in (name for name, given in refused.items() if given):
            raise ValueError(
                f"{name}: given {format_value(getattr(self, name))}; allowed with lower and upper: column null, likelihood "
                "auto or grouped, model marginal"
            )

    def refuse_forbidding_priors(self, low: float, high: float) -> None:
        """Raise `InputError` where given priors leave the values at the ends of a sample next to impossible.

        A value further than some 40 sds from every component has a likelihood that doubles cannot hold: so far must
        the widest sd that the prior allows, and the means' priors, not be away.
        """
        given = self.mean_prior_mean, self.mean_prior_precision, self.sd_prior_scale
        if None in given or self.sd_prior in ("lognormal", "hierarchical"):
            return
        widest = self.sd_prior_scale * (1 if self.sd_prior == "uniform" else 10)
        for value in (low, high):
            if all(
                abs(value - center) > 40 * (widest + precision**-0.5)
                for center, precision in zip(self.mean_prior_mean, self.mean_prior_precision, strict=True)
            ):
                raise InputError(
                    f"mean_prior_mean, mean_prior_precision, sd_prior_scale: given priors under which values around "
                    f"{value:g} are impossible; allowed: wider ones, or null"
                )


NAMES = tuple(Parameters.model_fields)


def _as_line(error, names):
    """One pydantic error as `name: given ...; allowed: ...`; `names` are those that the schema has."""
    if not error["loc"]:
        return error["msg"].removeprefix("Value error, ")
    name, *inner = error["loc"]
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; allowed: {', '.join(names)}"
        return f"{format_name(name)}: no such parameter{hint}"
    if inner[-1:] == ["[key]"]:  # what is wrong is a name, and that is shown as given
        inner = []
    place = name + "".join(f"[{step}]" if isinstance(step, int) else f" {format_name(step)}" for step in inner)
    allowed = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("should be ")
    return f"{place}: given {format_value(error['input'])}; allowed: {allowed}"


def check(values: dict[str, Any], schema: type[BaseModel] = Parameters) -> Any:
    """The values as `Parameters`, or as another schema; or an `InputError` with a line for each thing wrong."""
    try:
        return schema(**values)
    except ValidationError as error:
        lines = list(dict.fromkeys(_as_line(e, tuple(schema.model_fields)) for e in error.errors()))
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES:,} more"]
        raise InputError("\n".join(lines)) from None
