"""ONNX export of a policy's step, with actions and memory compared to torch's."""

from pathlib import Path

import numpy as np
import torch

from robot_rl.deploy.flat import FlatStep, following
from robot_rl.errors import InterfaceMismatchError, MissingPackageError
from robot_rl.networks.policy import Policy

ONNX = "policy.onnx"
_OPSET = 18
_SAMPLES = 16
_STEPS = 4
_TOLERANCE = 1e-4


def export_onnx(policy: Policy, folder: Path) -> float:
    """Write `policy.onnx`; the largest difference of actions to torch's over random episodes.

    Its memory goes in and comes out as `carry/*`. Raises `MissingPackageError` without the extra
    `onnx`, and `InterfaceMismatchError` where the two disagree by more than 1e-4.
    """
    _require_packages()
    step = FlatStep(policy.eval()).eval()
    path = folder / ONNX
    program = torch.onnx.export(
        step,
        tuple(step.example(2).values()),
        input_names=list(step.inputs),
        output_names=list(step.outputs),
        opset_version=_OPSET,
        dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in step.inputs),),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path))
    difference = _parity(step, path)
    if not difference <= _TOLERANCE:
        path.unlink()
        raise InterfaceMismatchError(
            f"the ONNX policy's actions differ from torch's by {difference:.2g} "
            f"(allowed {_TOLERANCE:g}); {path} was removed."
        )
    return difference


def _parity(step: FlatStep, path: Path) -> float:
    """Both step through the same observations, each with its own memory."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    taken = {node.name for node in session.get_inputs()}
    ours = theirs = step.example(_SAMPLES)
    difference = 0.0
    for seed in range(1, _STEPS + 1):
        fed = {name: x.numpy() for name, x in theirs.items() if name in taken}
        found = dict(zip(step.outputs, session.run(list(step.outputs), fed), strict=True))
        with torch.inference_mode():
            wanted = dict(zip(step.outputs, step(*ours.values()), strict=True))
        gap = np.abs(np.asarray(found["action"]) - wanted["action"].numpy())
        difference = max(difference, float(gap.max()))
        example = step.example(_SAMPLES, seed)
        ours = following(example, wanted)
        theirs = following(example, {k: torch.from_numpy(np.asarray(x)) for k, x in found.items()})
    return difference


def _require_packages() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackageError(package, "pip install 'robot-rl[onnx]'") from error
