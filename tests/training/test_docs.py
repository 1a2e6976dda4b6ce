"""The loop is on one screen, and docs/training.md prints it."""

import inspect

from src.train import fit, train_epoch
from tests.conftest import ROOT

SCREEN = 90  # lines


def test_the_docs_print_the_loop_which_is_on_one_screen() -> None:
    source = f"{inspect.getsource(train_epoch)}\n\n{inspect.getsource(fit)}"
    assert source.count("\n") <= SCREEN
    printed = f"```python\n{source}```\n"
    page = (ROOT / "docs" / "training.md").read_text()
    assert printed in page, f"write into docs/training.md, under The loop:\n{printed}"


def test_the_lines_of_the_textbook_stand_together() -> None:
    lines = [line.strip() for line in inspect.getsource(train_epoch).splitlines()]
    steps = ("parts.forward(x)", "parts.criterion(", "optimizer.zero_grad()", ".backward()")
    found = [next(i for i, line in enumerate(lines) if step in line) for step in steps]
    assert found == list(range(found[0], found[0] + len(steps)))
