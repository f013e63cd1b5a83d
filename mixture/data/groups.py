"""A sample split by a column of its file: the rows of each group, as a file of their own."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixture.data.source import open_columns
from mixture.messages import InputError, format_value

MOST_GROUPS = 50  # a report each, half a minute each


@dataclass(frozen=True, eq=False)
class Groups:
    """The rows of each group.

    Attributes
    ----------
    names : list of str
        Of the columns that are read: values, or bins, and counts.
    rows : dict of str to ndarray, shape (rows, columns)
        By the group's label, in order of the labels; NaN where a value is missing.
    dropped : int
        Rows without a label.
    """

    names: list[str]
    rows: dict[str, np.ndarray]
    dropped: int

    def table(self, label: str) -> pa.Table:
        """One group as the content of a file."""
        return pa.table(dict(zip(self.names, self.rows[label].T, strict=True)))


def read_groups(data: str, by: str, columns: dict[str, str | None], missing: str = "refuse") -> Groups:
    """Split the rows of one or more files by a column.

    Parameters
    ----------
    data : str
        File, folder or glob.
    by : str
        Column with the groups' labels: texts, or whatever has a text.
    columns : dict of str to str or None
        As in `open_columns`.
    missing : {"refuse", "drop"}
        Rows without a label.

    Raises
    ------
    InputError
        One line: there is no such column, or it makes fewer than two groups or more than `MOST_GROUPS`.
    """
    source = open_columns(data, columns)
    for file, table in zip(source.files, source.tables):
        if list(table.names).count(by) != 1 or by in source.names:
            others = ", ".join(format_value(name) for name in table.names if name not in source.names)
            raise InputError(
                f"by: given {format_value(by)}; allowed: a column of {format_value(file)} beside the values: {others or 'none'}"
            )
    rows, labels = np.concatenate(list(source.rows())), source.texts(by)
    labels = [None if label is None else label.strip() or None for label in labels]
    gone = labels.count(None)
    if gone and missing != "drop":
        raise InputError(
            f"missing: {gone:,} of {len(labels):,} rows have no group in column {format_value(by)}; allowed: none, or "
            "missing: drop"
        )
    known = sorted(set(labels) - {None}, key=_order)
    if not 2 <= len(known) <= MOST_GROUPS:
        raise InputError(
            f"by: column {format_value(by)} holds {len(known):,} different labels; allowed: 2 to {MOST_GROUPS}"
        )
    labels = np.array(labels, object)
    return Groups(source.names, {label: rows[labels == label] for label in known}, gone)


def _order(label):
    """Numbers by size, then texts by their letters."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
