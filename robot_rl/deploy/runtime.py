"""A trained policy on a robot: loaded from its folder, warm, on time, and honest about delays.

Imports neither training code, nor mujoco, nor Hydra.
"""

import time
import timeit
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.flat import ACTION, FlatStep, carry_of, flatten, unflatten
from robot_rl.errors import (
    ConfigError,
    CorruptFileError,
    InterfaceMismatchError,
    MissingPackageError,
    NotFiniteError,
)
from robot_rl.networks.policy import Policy, Previous, to_tensors
from robot_rl.types import PROPRIO, Observation

_WARM_UP = 5


class Engine(Protocol):
    """One step of one robot: named inputs [1, ...] to named outputs (see `FlatStep`)."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What became of the last action: `action` [A] was applied, `own` where the policy chose it."""

    action: np.ndarray
    own: bool


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """`deadline_s` 0 takes half a control period. `device` is `auto`, `cpu` or `cuda`.

    With `own_thread` a late inference is left behind and `act` returns at the deadline; without,
    `act` saves the change of threads, and a late result is refused when it comes.
    """

    engine: Literal["torch", "onnx"] = "torch"
    device: str = "auto"
    threads: int = 1
    deadline_s: float = 0.0
    own_thread: bool = True


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`action` [A] is None where the deadline passed or the last inference still ran."""

    action: np.ndarray | None
    inference_s: float
    obs_age_s: float


@dataclass
class RuntimeStats:
    decisions: int = 0
    deadline_misses: int = 0
    last_inference_s: float = 0.0
    max_inference_s: float = 0.0
    last_obs_age_s: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class PolicyRuntime:
    """Acts within a deadline and keeps the policy's memory between steps of one episode."""

    def __init__(self, folder: Path, config: RuntimeConfig | None = None) -> None:
        self.config = config or RuntimeConfig()
        artefact = PolicyFolder(folder)
        self.interface = artefact.interface()
        self.stats = RuntimeStats()
        self._deadline_s = self.config.deadline_s or 0.5 / self.interface.control_rate_hz
        self._example = flatten(*artefact.blank().example(1))
        _, _, self._carry = unflatten(self._example)
        self._first = True
        self._own_wish = Applied(action=np.zeros(self.interface.action_size), own=False)
        self._running: Future[dict[str, Tensor]] | None = None
        self._worker = ThreadPoolExecutor(
            1, "policy", torch.set_num_threads, (self.config.threads,)
        )
        self._engine = self._worker.submit(self._load, artefact).result()

    def reset(self) -> None:
        """Start of an episode: the memory of the last one goes."""
        self._first = True

    def act(
        self, obs: Observation, stamp_s: float | None = None, applied: Applied | None = None
    ) -> Decision:
        """The action for `obs`, taken at system time `stamp_s`.

        `applied` tells what became of the last action; without, it was applied as it was chosen.
        Raises `InterfaceMismatchError` for an observation of another shape, and `NotFiniteError`
        for an action that is not finite.
        """
        self._check(obs)
        started = time.perf_counter()
        age_s = 0.0 if stamp_s is None else time.time() - stamp_s
        action = self._within_deadline(obs, applied)
        inference_s = time.perf_counter() - started
        self._count(action, inference_s, age_s)
        if action is not None and not np.isfinite(action).all():
            raise NotFiniteError(f"the policy's action is {action.tolist()}.")
        return Decision(action=action, inference_s=inference_s, obs_age_s=age_s)

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------ acting

    def _inputs(self, obs: Observation, applied: Applied) -> dict[str, Tensor]:
        previous = Previous.nothing(1, self.interface.action_size)
        if not self._first:
            action = torch.from_numpy(np.asarray(applied.action, np.float32)[None])
            previous = Previous(action, torch.tensor([applied.own]), torch.tensor([False]))
        return flatten(to_tensors([obs], torch.device("cpu")), previous, self._carry)

    def _within_deadline(self, obs: Observation, applied: Applied | None) -> np.ndarray | None:
        if self._running is not None:
            if not self._running.done():
                return None
            # Its action came too late; what it remembers does not.
            self._remember(self._running.result())
            self._running = None
        inputs = self._inputs(obs, applied or self._own_wish)
        if not self.config.own_thread:
            return self._inline(inputs)
        running = self._worker.submit(self._engine, inputs)
        try:
            return self._remember(running.result(self._deadline_s))
        except TimeoutError:
            self._running = running
            return None

    def _inline(self, inputs: dict[str, Tensor]) -> np.ndarray | None:
        if torch.get_num_threads() != self.config.threads:
            torch.set_num_threads(self.config.threads)  # a setting of the calling thread
        started = time.perf_counter()
        action = self._remember(self._engine(inputs))
        return action if time.perf_counter() - started <= self._deadline_s else None

    def _remember(self, outputs: dict[str, Tensor]) -> np.ndarray:
        self._carry = carry_of(outputs)
        self._first = False
        action = outputs[ACTION][0].numpy()
        self._own_wish = Applied(action=action, own=True)
        return action

    def _check(self, obs: Observation) -> None:
        for camera in self.interface.cameras:
            shape = (camera.height, camera.width, 3)
            image = obs.get(camera.key)
            if image is None or image.shape != shape or image.dtype != np.uint8:
                found = "missing" if image is None else f"{image.dtype} {image.shape}"
                raise InterfaceMismatchError(f"{camera.key} is {found}; needed: uint8 {shape}.")
        size = self.interface.proprio_size
        if size and (PROPRIO not in obs or obs[PROPRIO].shape != (size,)):
            found = obs[PROPRIO].shape if PROPRIO in obs else "missing"
            raise InterfaceMismatchError(f"proprio is {found}; needed: ({size},).")

    def _count(self, action: np.ndarray | None, inference_s: float, age_s: float) -> None:
        stats = self.stats
        stats.decisions += 1
        stats.deadline_misses += action is None
        stats.last_inference_s, stats.last_obs_age_s = inference_s, age_s
        stats.max_inference_s = max(stats.max_inference_s, inference_s)

    # ----------------------------------------------------------------- loading

    def _load(self, artefact: PolicyFolder) -> Engine:
        engine = self._make_engine(artefact)
        taken_s = self._fastest_s(engine)
        if taken_s > self._deadline_s:
            self._refuse_slow(artefact.load(), taken_s)
        return engine

    def _fastest_s(self, engine: Engine) -> float:
        """Of a few steps after warming up: a busy moment is no reason to refuse."""
        for _ in range(_WARM_UP):
            engine(self._example)
        return min(timeit.repeat(lambda: engine(self._example), number=1, repeat=_WARM_UP))

    def _refuse_slow(self, policy: Policy, taken_s: float) -> None:
        """Raise `ConfigError` for a policy that could think less, with the most that fits."""

        def fastest_s(settings: Mapping[str, Any]) -> float:
            return self._fastest_s(TorchEngine(policy.with_settings(settings)))

        found = most_that_fits(policy.lighter(), fastest_s, self._deadline_s)
        if found is not None:
            settings, lighter_s = found
            told = " ".join(f"policy.{key}={value}".lower() for key, value in settings.items())
            raise ConfigError(
                f"this policy plans for {1e3 * taken_s:.0f} ms at its fastest here, and its "
                f"deadline is {1e3 * self._deadline_s:.0f} ms. {told} takes "
                f"{1e3 * lighter_s:.0f} ms: robot-rl export RUN_DIR {told} --out FOLDER, or allow "
                "a longer deadline_s."
            )

    def _make_engine(self, artefact: PolicyFolder) -> Engine:
        if self.config.engine == "onnx":
            return OnnxEngine(artefact.place, self.config.threads)
        if self.config.engine != "torch":
            raise ConfigError(f"engine is '{self.config.engine}'; choose torch or onnx.")
        device = _device(self.config.device)
        if device.type == "cuda":
            return CudaGraphEngine(artefact.load().to(device))
        return TorchEngine(artefact.load())


def most_that_fits(
    lighter: Iterable[Mapping[str, Any]],
    fastest_s: Callable[[Mapping[str, Any]], float],
    deadline_s: float,
) -> tuple[Mapping[str, Any], float] | None:
    """The first of `lighter` within `deadline_s`, or the last, and the seconds that it took.

    None where there is nothing lighter.
    """
    found = None
    for settings in lighter:
        found = settings, fastest_s(settings)
        if found[1] <= deadline_s:
            break
    return found


class TorchEngine:
    """The policy as it is, on the processor."""

    def __init__(self, policy: Policy) -> None:
        self._step = FlatStep(policy)

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs = self._step(*(inputs[name] for name in self._step.inputs))
        return dict(zip(self._step.outputs, outputs, strict=True))


class CudaGraphEngine:
    """One captured graph over fixed buffers: a decision is a copy in, a replay, a copy out.

    The memory is copied with the rest: a few frames or a vector, beside what a launch costs.
    """

    def __init__(self, policy: Policy) -> None:
        self._step = FlatStep(policy)
        device = policy.device
        self._inputs = self._step.example(1)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            with torch.cuda.stream(side):  # type: ignore[arg-type]
                for _ in range(_WARM_UP):
                    self._step(*self._inputs.values())
            torch.cuda.current_stream(device).wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._outputs = self._step(*self._inputs.values())

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        for name, buffer in self._inputs.items():
            buffer.copy_(inputs[name], non_blocking=True)
        self._graph.replay()
        found = zip(self._step.outputs, self._outputs, strict=True)
        return {name: (x.float() if x.is_floating_point() else x).cpu() for name, x in found}


class OnnxEngine:
    """ONNX Runtime on `policy.onnx` of the folder (`robot-rl export --onnx`)."""

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError("onnxruntime", "pip install 'robot-rl[onnx]'") from error
        path = folder / "policy.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options)
            self._inputs = [node.name for node in self._session.get_inputs()]
            self._outputs = [node.name for node in self._session.get_outputs()]
        except Exception as error:  # onnxruntime's errors share no base class
            raise CorruptFileError(
                f"{path} cannot be loaded ({type(error).__name__}). Write it with: "
                "robot-rl export RUN_DIR --onnx"
            ) from error

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        fed = {name: inputs[name].numpy() for name in self._inputs}
        found = self._session.run(self._outputs, fed)
        return {
            k: torch.from_numpy(np.asarray(x)) for k, x in zip(self._outputs, found, strict=True)
        }


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device is '{name}'; choose auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is 'cuda', but torch sees no GPU here. Use device auto or cpu.")
    return torch.device(name)
