"""Tables of the stored references, for who reads them."""

from collections.abc import Mapping

import pandas as pd

from mixture.studies.references import Reference


def expectations(found: Mapping[str, Reference]) -> pd.DataFrame:
    """Expected values with their Monte Carlo standard errors, as text.

    Parameters
    ----------
    found : mapping of str to Reference

    Returns
    -------
    pandas.DataFrame
        A row a parameter, a column a posterior, empty where it has no such parameter.
    """
    columns = {
        name: {parameter: f"{mean:.4g} ± {each.errors[parameter]:.1g}" for parameter, mean in each.means.items()}
        for name, each in found.items()
    }
    return pd.DataFrame(columns).fillna("")


def widest_mean(found: Mapping[str, Reference], ranges: Mapping[str, float]) -> tuple[str, float]:
    """The posterior with the widest marginal of a mean relative to its sample's range, and that share of it."""
    widths = {
        name: max(values.std() for parameter, values in each.draws.items() if parameter.startswith("mu")) / ranges[name]
        for name, each in found.items()
    }
    return max(widths.items(), key=lambda pair: pair[1])
