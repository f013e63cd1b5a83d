"""Models of one form share what was compiled for the first of them: another sample of the same size needs no compile."""

from dataclasses import dataclass

from pymc.model.core import FrozenModel, Model
from pymc.model.transform.optimization import freeze_model
from pytensor.compile import SharedVariable
from pytensor.graph import Constant, Variable
from pytensor.graph.basic import equal_computations
from pytensor.graph.traversal import graph_inputs

MOST_SHARED = 8


@dataclass(frozen=True, eq=False)
class _Form:
    """What a model consists of, but for its data: its log density, and what its dims are called.

    Not the graph of its variables: each CustomDist is a class of its own there, and no two are equal.
    """

    terms: list
    coords: dict

    @classmethod
    def of(cls, model: Model) -> "_Form":
        return cls(model.logp(sum=False), dict(model.coords))

    def same_graph(self, other: "_Form") -> bool:
        """Whether the two differ in the values of their data alone."""
        mine, theirs = self.inputs(), other.inputs()
        return (
            self.coords == other.coords
            and [(v.name, v.type) for v in mine] == [(v.name, v.type) for v in theirs]
            and equal_computations(self.terms, other.terms, mine, theirs)
        )

    def inputs(self) -> list[Variable]:
        """Values, data and lengths: whatever is no constant."""
        return [v for v in graph_inputs(self.terms) if not isinstance(v, Constant)]


_shared_models: list[tuple[_Form, FrozenModel]] = []


def shared_model(model: Model) -> FrozenModel:
    """A frozen model of the same form and with the same data, whose functions are compiled once in a process.

    The next model of this form is given the same frozen model, with its own data: use it before that.

    Parameters
    ----------
    model : pymc.Model

    Returns
    -------
    pymc.model.core.FrozenModel
    """
    form = _Form.of(model)
    shared = next((frozen for known, frozen in _shared_models if form.same_graph(known)), None)
    if shared is None:
        shared = freeze_model(model)
        _shared_models.append((form, shared))
        del _shared_models[:-MOST_SHARED]
    for name, variable in model.named_vars.items():
        if isinstance(variable, SharedVariable):
            shared[name].set_value(variable.get_value())
    return shared
