"""A sample split by a column: its rows, the groups side by side, and how they are told."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from mixture.atomic import write_json
from mixture.data.groups import MOST_GROUPS, read_groups
from mixture.messages import InputError
from mixture.show.forest import draw_forest
from mixture.show.text import groups as say
from mixture.studies import groups

TEXT = "# note\nsize;place;n\n1,5;north;1\n2,5; north ;2\n\n3,5;a|b;3\n4;;4\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rows_of_a_text_file_go_to_their_groups_as_they_are_read_without(folder):
    (folder / "t.csv").write_text(TEXT)
    split = read_groups("t.csv", "place", {"column": "size", "counts": "n"}, "drop")
    assert split.names == ["size", "n"] and split.dropped == 1 and list(split.rows) == ["a|b", "north"]
    assert split.rows["north"].tolist() == [[1.5, 1], [2.5, 2]] and split.rows["a|b"].tolist() == [[3.5, 3]]
    assert split.table("north").column_names == ["size", "n"]


@pytest.mark.parametrize("kind", ["category", "str", "int", "bool"])
@pytest.mark.parametrize("ending", ["parquet", "feather", "xlsx", "csv"])
def test_labels_of_any_kind_in_any_format(folder, kind, ending):
    labels = {"int": [10, 9, 10, 9], "bool": [True, False, True, False]}.get(kind, ["x", "b", "x", "b"])
    frame = pd.DataFrame({"v": [1.0, 2.0, 3.0, np.nan], "g": pd.Series(labels).astype(kind)})
    options = {"index": False} if ending in ("csv", "xlsx") else {}
    getattr(frame, {"xlsx": "to_excel"}.get(ending, f"to_{ending}"))(f"t.{ending}", **options)
    split = read_groups(f"t.{ending}", "g", {"column": "v"})
    first, second = split.rows.values()
    assert second[:, 0].tolist() == [1, 3] and first[0, 0] == 2 and np.isnan(first[1, 0])
    assert [label.lower() for label in split.rows] == [str(label).lower() for label in sorted(set(labels))]


REFUSED = {
    "no such column": ("v,g\n1,a\n2,b\n", "h", "by: given 'h'; allowed: a column of 't.csv' beside the values: 'g'"),
    "the values": ("v,g\n1,a\n2,b\n", "v", "by: given 'v'; allowed: a column"),
    "one group": ("v,g\n1,a\n2,a\n", "g", "by: column 'g' holds 1 different labels; allowed: 2 to 50"),
    "too many": ("v,g\n" + "".join(f"1,g{i}\n" for i in range(MOST_GROUPS + 1)), "g", "holds 51 different labels"),
    "no label": ("v,g\n1,a\n2,\n3,b\n", "g", "missing: 1 of 3 rows have no group in column 'g'; allowed: none"),
}


@pytest.mark.parametrize("text, by, line", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_groups_is_refused_in_one_line(folder, text, by, line):
    (folder / "t.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_groups("t.csv", by, {"column": "v"})
    assert line in str(error.value) and "\n" not in str(error.value)


# -- side by side -----------------------------------------------------------------------------


def results(**trusted):
    """A table as a sweep writes it: two components a group, means 10 and 20, in the last group 10 and 26."""
    rows = []
    for number, (label, outcome) in enumerate(trusted.items()):
        for component in (1, 2):
            row = {"point": f"p{label}", "status": "finished", "verdict": outcome, "error": None, "em_n": 100}
            row |= {"component": component}
            for name, mean in {"w": 0.5, "mu": 10.0 * component, "sigma": 2.0}.items():
                mean += 6 * (name == "mu" and component == 2 and number == len(trusted) - 1)
                row |= {f"{name}_posterior_mean": mean, f"{name}_posterior_sd": 0.3}
                row |= {f"{name}_interval_low": mean - 0.6, f"{name}_interval_high": mean + 0.6}
            rows.append(row)
    return rows


def load(folder, rows):
    pd.DataFrame(rows).to_parquet(folder / "results.parquet")
    points = list(dict.fromkeys(row["point"] for row in rows))[::-1]
    about = {"by": "place", "groups": {point: point[1:] for point in sorted(points)}}
    write_json(folder / "sweep.json", {"swept": [], "points": points, **about})
    return groups.load_groups(folder)


def test_groups_stand_in_the_order_of_their_labels_with_their_intervals(folder):
    table = load(folder, results(x="trusted", b="untrusted"))
    assert table["group"].tolist() == ["b", "b", "x", "x"] and table["component"].tolist() == [1, 2, 1, 2]
    assert groups.group_by(folder) == "place"
    assert groups.count_outcomes(table) == {"trusted": 1, "untrusted": 1}
    assert groups.largest_differences(table).empty, "one trusted group has nothing to differ from"
    words = say.groups_text("place", {"trusted": 1, "untrusted": 1}, "mm", groups.largest_differences(table))
    assert "left out of what follows" in words and "not compared in pairs" in words


def test_a_difference_is_told_in_its_own_sds(folder):
    table = load(folder, results(a="trusted", b="trusted", c="trusted"))
    found = groups.largest_differences(table).set_index(["parameter", "component"])
    row = found.loc[("mu", 2)]
    assert (row["lower"], row["higher"]) in (("a", "c"), ("b", "c"))
    assert_allclose([row["difference"], row["sd"], row["sds"]], [6, 0.3 * 2**0.5, 6 / 0.3 / 2**0.5])
    assert_allclose(found.drop(("mu", 2))["sds"], 0)
    text = say.groups_text("place", {"trusted": 3}, "mm", found.reset_index())
    assert "differ most in the mean of component 2" in text and "6.00 mm larger in c than in" in text
    assert len(say.differences_table(found.reset_index())) == 6


def test_a_failed_group_has_a_row_and_its_error(folder):
    failed = {"point": "pz", "status": "failed", "verdict": None, "error": "no | luck", "component": None}
    table = load(folder, [*results(a="trusted", b="trusted"), failed])
    (last,) = [each for each in groups.group_verdicts(table) if each["group"] == "z"]
    assert (last["outcome"], last["components"], last["n"]) == ("failed", 0, None)
    assert {each["group"]: each["error"] for each in groups.group_verdicts(table)} == {
        "a": "",
        "b": "",
        "z": "no | luck",
    }
    text = say.verdicts_text(groups.group_verdicts(table))
    assert (
        "\n\n- z failed: no \\| luck" in text
        and "| failed |" in text
        and "[report.html](points/pa/report.html)" in text
    )
    figure = draw_forest(table, "mm")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["z", "b", "a"]
    assert "No group has a result." == say.group_components_table(table[table["group"] == "z"], "mm")
