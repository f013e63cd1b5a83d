"""Excel workbooks: the one sheet that holds anything, as the text that it would be saved as."""

import zipfile

import pandas as pd

from mixture.data.text import TextFile, open_text
from mixture.messages import InputError, format_names, format_value


def open_sheet(path: str) -> TextFile:
    """The sheet of a workbook as comma-separated text, so that both are read by the same rules.

    Line 5 of the text is row 5 of the sheet. A sheet has at most a million rows, so it is held in memory.

    Parameters
    ----------
    path : str
        Of an .xlsx file.

    Returns
    -------
    TextFile

    Raises
    ------
    InputError
        The file is no workbook, or several of its sheets hold something, or none.
    """
    try:
        sheets = pd.read_excel(
            path, sheet_name=None, header=None, dtype=object, na_filter=False, engine="openpyxl"
        )  # na_filter: what counts as missing is said in one place, mixture.data.text
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        raise InputError(
            f"data: {format_value(path)} cannot be read as an Excel workbook ({type(error).__name__}); "
            "allowed: an .xlsx file, or its sheet saved as CSV"
        ) from None
    filled = {name: sheet for name, sheet in sheets.items() if sheet.size}
    if len(filled) != 1:
        holding = f"{len(filled)} sheets that hold something ({format_names(filled)})" if filled else "empty sheets"
        raise InputError(f"data: {format_value(path)} has {holding}; allowed: one; save the one that is meant as CSV")
    (sheet,) = filled.values()
    return open_text(path, sheet.to_csv(index=False, header=False).encode())
