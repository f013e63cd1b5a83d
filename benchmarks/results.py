"""How a benchmark tells and keeps what it measured."""

import json
import platform
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "results"


def keep(name, rows, ratios):
    """Print the rows and ratios of a benchmark, and keep them in results/NAME.json.

    Parameters
    ----------
    name : str
    rows : list of dict
        What was measured, seconds unless a key says otherwise.
    ratios : dict of str to (float, float)
        What is claimed: the ratio found and the one wanted (at least).
    """
    for row in rows:
        print("  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))
    for claim, (found, wanted) in ratios.items():
        print(f"{'met    ' if found >= wanted else 'NOT met'}  {claim}: {found:.3g} (wanted {wanted:g})")
    FOLDER.mkdir(exist_ok=True)
    told = {"python": platform.python_version(), "rows": rows,
            "ratios": {claim: {"found": found, "wanted": wanted} for claim, (found, wanted) in ratios.items()}}
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
