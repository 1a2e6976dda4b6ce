"""The order of an epoch's rows: whole, mixed, the same again, shared between processes."""

import pytest
import torch

from src.training.order import BLOCK, MIXED, Batches, Order, Shuffle, draw_blocks, split_rows


@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
@pytest.mark.parametrize("rows", [1, 7, BLOCK, BLOCK + 1, BLOCK * MIXED, BLOCK * (MIXED + 1) + 5])
def test_every_row_comes_once_and_the_seed_says_when(rows: int, shuffle: Shuffle) -> None:
    order = Order(rows, 10, shuffle, seed=3)
    first = order.draw().order
    assert torch.equal(first.sort().values, torch.arange(rows, dtype=first.dtype))
    assert torch.equal(order.draw().order, first)
    order.end_epoch()
    is_other = not torch.equal(order.draw().order, first)
    assert is_other == (shuffle is not False and rows > 1)


@pytest.mark.parametrize("shuffle", [True, "blocks"])
def test_an_epoch_is_drawn_again_from_its_state(shuffle: Shuffle) -> None:
    order = Order(3000, 10, shuffle, seed=3)
    order.end_epoch()
    drawn = order.draw().order
    again = Order(3000, 10, shuffle, seed=4)
    again.load_state_dict(order.state_dict())
    assert torch.equal(again.draw().order, drawn)


def test_mixed_all_through_is_the_order_of_randperm() -> None:
    drawn = Order(1000, 10, shuffle=True, seed=3).draw().order
    wanted = torch.randperm(1000, generator=torch.Generator().manual_seed(3))
    assert torch.equal(drawn.long(), wanted)


def test_blocks_are_read_side_by_side_and_mixed_within() -> None:
    rows = BLOCK * MIXED * 3
    order = draw_blocks(rows, torch.Generator().manual_seed(1))
    for part in torch.split(order, BLOCK * MIXED):
        blocks, counts = torch.unique(part // BLOCK, return_counts=True)
        assert len(blocks) == MIXED
        assert bool((counts == BLOCK).all())
        batch = torch.unique(part[:100] // BLOCK)
        assert len(batch) > MIXED // 2  # a batch has rows of many places


@pytest.mark.parametrize(("rows", "batch_size"), [(20, 10), (29, 10), (21, 10), (7, 3), (5, 100)])
def test_sizes_are_those_of_the_batches(rows: int, batch_size: int) -> None:
    batches = split_rows(torch.randperm(rows), batch_size)
    assert batches.sizes == [len(batch) for batch in batches]


def test_batches_go_on_from_a_step() -> None:
    batches = Batches(torch.arange(25), 10, 3)
    assert [len(rows) for rows in batches] == [10, 10, 5]
    assert batches.between(1, 3).tolist() == list(range(10, 25))
