"""Augmentation: which images come out, from which generator, and for which tables."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.errors import InputError
from src.models import build
from src.training.augment import Augment, Augmentation, build_augment, draws
from tests.training.images import SIDE, image_encoder, image_table

CNN = {"channels": [2]}


def augment(side: int = SIDE, seed: int = 1, **spec: Any) -> Augment:
    return Augment(Augmentation(**spec), side, -3.0, seed)


def images(rows: int, side: int = SIDE) -> Tensor:
    """Make images whose pixels all differ."""
    return torch.arange(1.0, rows * side**2 + 1).view(rows, side, side)


def moved(image: Tensor, down: int, right: int, flips: bool) -> Tensor:
    """Flip and move one image [side, side] pixel by pixel."""
    side = len(image)
    found = torch.full_like(image, -3.0)
    for row in range(side):
        for column in range(side):
            target = side - 1 - column if flips else column
            if 0 <= row + down < side and 0 <= target + right < side:
                found[row + down, target + right] = image[row, column]
    return found


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_an_image_is_flipped_and_moved_as_it_is_drawn(flip: bool, shift: int) -> None:
    x, rows = images(30), torch.arange(30)
    y = augment(flip=flip, shift=shift)(x.flatten(1), rows).view_as(x)
    drawn = torch.cat(draws(1, 1, rows, 2 * shift + 1), dim=1).tolist()
    for before, after, (up, left, flips) in zip(x, y, drawn, strict=True):
        flipped = flip and bool(flips)
        right = left - shift if flipped else shift - left
        assert torch.equal(after, moved(before, shift - up, right, flipped))


def test_the_draws_are_its_own_and_its_state_goes_on_exactly() -> None:
    x, rows = images(10).flatten(1), torch.arange(10)
    first = augment(flip=True, shift=1)
    drawn = torch.random.get_rng_state()
    first(x, rows)
    state = first.state_dict()
    expected = [first(x, rows) for _ in range(3)]
    again = augment(flip=True, shift=1)
    again.load_state_dict(state)
    for image in expected:
        assert torch.equal(again(x, rows), image)
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_a_row_changes_alike_in_whatever_part_of_the_batch_and_anew_each_step() -> None:
    x, rows = images(40).flatten(1), torch.randperm(40, generator=torch.Generator().manual_seed(3))
    whole = augment(flip=True, shift=1)
    parts = [augment(flip=True, shift=1) for _ in range(3)]
    seen = []
    for _ in range(3):
        splits = zip(parts, x.tensor_split(3), rows.tensor_split(3), strict=True)
        together = torch.cat([part(x_part, numbers) for part, x_part, numbers in splits])
        seen.append(whole(x, rows))
        assert torch.equal(seen[-1], together)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], augment(seed=2, flip=True, shift=1)(x, rows))


def test_the_draws_are_even_and_independent() -> None:
    rows = torch.arange(2000)
    for seed, step in ((0, 1), (0, 2), (1, 1), (2**31 - 1, 10**6)):
        down, right, flips = draws(seed, step, rows, 5)
        counts = torch.zeros(5, 5, 2)
        counts.index_put_(
            (down[:, 0], right[:, 0], flips[:, 0].long()), torch.ones(2000), accumulate=True
        )
        chi_square = ((counts - 40).square() / 40).sum().item()
        assert 20 < chi_square < 95  # 49 degrees of freedom: 1 in 10,000 lies outside


def test_the_images_stay_as_they_are() -> None:
    x = images(5).flatten(1)
    augment(flip=True, shift=1)(x, torch.arange(5))
    assert torch.equal(x, images(5).flatten(1))


def built(model: str = "cnn", scale: Any = "table", **spec: Any) -> Augment | None:
    encoder = image_encoder()
    network = build("model", model, CNN if model == "cnn" else {}, encoder.width, encoder.outputs)
    return build_augment("train.augment", Augmentation(**spec), network, encoder, scale, seed=1)


def test_what_comes_in_from_outside_is_a_pixel_of_0() -> None:
    made = built(shift=1)
    assert made is not None
    encoder = image_encoder()
    black = {name: [0] for name in encoder.schema.numbers}
    x = encoder.features(image_table().slice(0, 1).from_pydict(black))
    assert torch.equal(made(x, torch.zeros(1, dtype=torch.int64)), x)


def test_none_is_none() -> None:
    encoder = image_encoder()
    assert build_augment("a", None, nn.Linear(1, 1), encoder, "column", seed=1) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "found neither flip nor shift"),
        ({"flip": True, "model": "linear"}, "found a model without images; expected a model of"),
        ({"flip": True, "scale": "column"}, "found scale: column; expected train.scale: table"),
        ({"shift": 4}, "train.augment.shift: found 4; expected fewer than the 4 pixels of a side"),
    ],
)
def test_what_is_no_image_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        built(**options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_column_beside_the_pixels_is_one_line() -> None:
    """Categories may make up a square that is no image."""
    encoder = image_encoder()
    network = build("model", "cnn", CNN, 9, 3)
    with pytest.raises(InputError, match="found 16 columns of numbers among 16 features"):
        build_augment("a", Augmentation(flip=True), network, encoder, "table", seed=1)


def test_a_mirroring_model_takes_the_mean_of_both_images_but_in_training() -> None:
    torch.manual_seed(0)
    plain = build("model", "cnn", CNN, 16, 3)
    model = build("model", "cnn", {**CNN, "mirror": True}, 16, 3)
    model.load_state_dict(plain.state_dict())
    x = torch.rand(5, 16)
    mirrored = x.view(5, 4, 4).flip(2).flatten(1)
    assert torch.equal(model.train()(x), plain.train()(x))
    mean = (plain.eval()(x) + plain(mirrored)) / 2
    assert not torch.allclose(plain(x), plain(mirrored))
    assert torch.equal(model.eval()(x), mean)
    assert torch.allclose(model(mirrored), mean)
