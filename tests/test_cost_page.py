"""The page of costs, docs/cost.md, says what was measured."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cost_page(monkeypatch):
    """The module that writes the page."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "cost_page", raising=False)
    import cost_page
    yield cost_page
    del sys.modules["cost_page"]


@pytest.mark.parametrize("name", ["cost.md", "cost.svg"])
def test_the_page_is_made_from_the_results(cost_page, tmp_path, name):
    """Nobody edits the page by hand, and nobody keeps new figures without a new page."""
    cost_page.write(ROOT / "benchmarks/results", tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_figure_of_the_readme_and_the_start_page_is_that_of_the_page():
    """It is said in three places, and measured in one."""
    found = [re.search(pattern, (ROOT / path).read_text(encoding="utf-8")) for path, pattern in (
        ("docs/cost.md", r"\*\*([\d.]+) µs a request"), ("docs/index.md", r"\[([\d.]+) µs a request\]"),
        ("README.md", r"costs a request ([\d.]+) µs"))]
    assert len({each.group(1) for each in found}) == 1


@pytest.mark.parametrize("figures, at_most, met", [
    pytest.param([3, 2, 4], True, True, id="all on the good side"),
    pytest.param([6, 5.5, 7], True, False, id="all on the bad side"),
    pytest.param([4, 3, 6], True, None, id="a spread over the goal"),
    pytest.param([5.7, 4.6, 4.9], True, None, id="a median beyond, its parts within"),
    pytest.param([6, 5.5, 7], False, True, id="a goal to be reached"),
    pytest.param([5, 5, 5], True, True, id="the goal itself"),
])
def test_what_lies_on_both_sides_of_a_goal_is_not_settled(cost_page, figures, at_most, met):
    """The median counts as its spread does: of a ratio of two medians it may lie outside."""
    assert cost_page._within(figures, 5, at_most) is met
