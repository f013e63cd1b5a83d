"""What a sweep's table and the terminal say of a number of components that was drawn, and of one that was given."""

from runner.cli import _component_lines
from runner.sweep.results import count_columns

DRAWN = {"given": False, "chosen": 2, "p_k_filled": {"1": 0.0004, "2": 0.9, "3": 0.0956, "4": 0.004}}
GIVEN = {"given": True, "chosen": 3}


def test_a_sweeps_table_has_the_posterior_of_the_number():
    expected = {"components_found": 2, "p_components_2": 0.9, "p_components_3": 0.0956, "p_components_4": 0.004}
    assert count_columns(DRAWN) == expected
    assert count_columns(GIVEN) == count_columns(None) == {}


def test_the_terminal_says_which_numbers_are_likely():
    (line,) = _component_lines(DRAWN)
    assert "2 (0.90), 3 (0.10)" in line and "4 (" not in line and line.endswith("describes 2")
    assert _component_lines(GIVEN) == _component_lines(None) == []
