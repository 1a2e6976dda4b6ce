"""Averages weights over steps (EMA): the average is what is assessed and kept."""

import torch
from pydantic import Field
from torch import nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from src.construct import OwnCode
from src.params import Section


class Average(Section):
    """Says how an average is taken: decay is the share of the average that each step leaves."""

    decay: float = Field(0.999, gt=0, lt=1)


def build_average(
    where: str, name: str, network: nn.Module, spec: Average | None
) -> AveragedModel | None:
    """Copy the network for `update_parameters` to average into; None without a spec.

    After the first step the average is that step's weights; each later step moves it by 1 − decay
    of the way to its own. So too the statistics of batch norm; of a count it is the last. name: of
    the network's class, for an error in copying one of the user's own.
    """
    if spec is None:
        return None
    decay = spec.decay

    def move(averages: PARAM_LIST, latest: PARAM_LIST, _: object) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, latest, 1 - decay)
        else:
            torch._foreach_copy_(averages, latest)

    with OwnCode(where, name):
        return AveragedModel(network, multi_avg_fn=move, use_buffers=True)
