"""ONNX export of a policy, with its actions compared to torch's."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.errors import InterfaceMismatchError, MissingPackageError
from robot_rl.networks.policy import Policy
from robot_rl.types import PROPRIO, Interface

ONNX = "policy.onnx"
_OPSET = 18
_SAMPLES = 16
_TOLERANCE = 1e-4


class _Positional(nn.Module):
    """The policy with one positional input per observation key, as ONNX wants it."""

    def __init__(self, policy: Policy, names: list[str]) -> None:
        super().__init__()
        self.policy, self.names = policy, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.policy(dict(zip(self.names, inputs, strict=True)))


def export_onnx(policy: Policy, interface: Interface, folder: Path) -> float:
    """Write `policy.onnx`; the largest action difference to torch over random observations.

    Raises `MissingPackageError` without the extra `onnx`, and `InterfaceMismatchError` where the
    two disagree by more than 1e-4.
    """
    _require_packages()
    names = [camera.key for camera in interface.cameras] + [PROPRIO] * bool(interface.proprio)
    path = folder / ONNX
    example = random_observations(interface, policy.frame_stack, 2, seed=0)
    program = torch.onnx.export(
        _Positional(policy.eval(), names).eval(),
        tuple(example[name] for name in names),
        input_names=names,
        output_names=["action"],
        opset_version=_OPSET,
        dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in names),),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path))
    difference = _parity(policy, interface, path, names)
    if not difference <= _TOLERANCE:
        path.unlink()
        raise InterfaceMismatchError(
            f"the ONNX policy's actions differ from torch's by {difference:.2g} "
            f"(allowed {_TOLERANCE:g}); {path} was removed."
        )
    return difference


def random_observations(
    interface: Interface, frame_stack: int, batch: int, seed: int
) -> dict[str, Tensor]:
    """Stacked observations with the shapes that the policy takes."""
    rng = np.random.default_rng(seed)
    obs = {
        camera.key: torch.from_numpy(
            rng.integers(0, 256, (batch, frame_stack, 3, camera.height, camera.width), np.uint8)
        )
        for camera in interface.cameras
    }
    if interface.proprio:
        proprio = rng.normal(size=(batch, interface.proprio_size)).astype(np.float32)
        obs[PROPRIO] = torch.from_numpy(proprio)
    return obs


def _parity(policy: Policy, interface: Interface, path: Path, names: list[str]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    obs = random_observations(interface, policy.frame_stack, _SAMPLES, seed=1)
    (action,) = session.run(["action"], {name: obs[name].numpy() for name in names})
    with torch.inference_mode():
        wanted = policy(obs).numpy()
    return float(np.abs(np.asarray(action) - wanted).max())


def _require_packages() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackageError(package, "pip install 'robot-rl[onnx]'") from error
