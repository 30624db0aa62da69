"""What reward models said over time, successes beside failures, drawn for a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_COLOURS = {True: "tab:green", False: "tab:red"}


def draw(curves: Mapping[str, Sequence[tuple[bool, np.ndarray]]], path: Path) -> None:
    """`curves`: for each model (succeeded, progress [T]) of every episode."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(3.2 * columns, 2.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    for axis, (name, said) in zip(axes.flat, curves.items(), strict=False):
        _panel(axis, name, said)
    for axis in axes[:, 0]:
        axis.set_ylabel("progress")
    for axis in axes[-1]:
        axis.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(axis: Any, name: str, said: Sequence[tuple[bool, np.ndarray]]) -> None:
    """Every episode thin, the mean of each kind thick."""
    axis.set_title(name, fontsize=9)
    axis.set_ylim(-0.03, 1.03)
    for succeeded, colour in _COLOURS.items():
        mine = [progress for kind, progress in said if kind == succeeded]
        for progress in mine:
            axis.plot(progress, color=colour, alpha=0.15, linewidth=0.7)
        if mine:
            shortest = min(map(len, mine))
            mean = np.mean([progress[:shortest] for progress in mine], axis=0)
            label = "success" if succeeded else "failure"
            axis.plot(mean, color=colour, linewidth=2, label=label)
    axis.legend(fontsize=7, loc="upper left")
