"""The graph of nodes as a Gymnasium environment: who learns takes the policy node's place in it.

Every action goes through the safety node, as the policy node's would; what comes back is what was
really applied, and by whom: the policy, a human at the teleop node, or nobody.
"""

import contextlib
import threading
import time
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from gymnasium.envs.registration import EnvSpec
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Header, String

from hardware.announced import require_fit
from hardware.camera import Frame
from hardware.homing import Homing
from hardware.limits import safety_limits
from hardware.robot import contract
from hardware.ros_messages import to_image, to_seconds
from robot_rl.axes import Vector, moves
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.supervisor import HUMAN, NOBODY, POLICY
from robot_rl.envs.frames import cut
from robot_rl.envs.registry import TaskConfig
from robot_rl.envs.robot import RobotConfig
from robot_rl.envs.spaces import action_space, observation_space
from robot_rl.errors import ConfigError, HardwareError
from robot_rl.types import Interface, Observation, Scene
from robot_rl_nodes import graph
from robot_rl_nodes.announced import await_camera, await_robot
from robot_rl_nodes.applied import AppliedActions
from robot_rl_nodes.commands import CommandPublisher
from robot_rl_nodes.hand import Hand
from robot_rl_nodes.image_stream import ImageStream
from robot_rl_nodes.messages import scene_from_json, subscribe_state, to_time
from robot_rl_nodes.observation import ObservationSlot, Taken
from robot_rl_nodes.operator_word import OperatorWord
from robot_rl_nodes.own_node import OwnNode
from robot_rl_nodes.services import Services

_MAX_SKEW_S = 0.03
_OBSERVATION_S = 2.0
# Sooner than safety stops a moving policy for its silence: whoever pauses stands still.
_QUIET_S, _CHECK_S = 0.12, 0.02
_FILM_SIZE = 256


def make_env(task: TaskConfig, robot: RobotConfig) -> "GraphEnv":
    """`task` on the graph that runs; `robot.arm.settings` has `cameras`, their namespaces by name,
    and whether it is `simulated`. Raises `ConfigError` or `HardwareError` before anything moves.
    """
    settings = dict(robot.arm.settings)
    namespaces, simulated = settings.pop("cameras", {}), settings.pop("simulated", False)
    if settings or (robot.success == "driver" and not simulated):
        raise ConfigError(
            "a robot with the driver 'graph' has the settings cameras and simulated; where it is no"
            f" simulation, robot.success is person or reward_model, not {robot.success}."
        )
    interface, episode_s = contract(task, robot)
    steps = round(episode_s * interface.control_rate_hz)
    missing = [field.name for field in interface.cameras if field.name not in namespaces]
    if missing:
        raise ConfigError(
            f"the graph's cameras are {', '.join(namespaces) or 'none'}; the task also looks "
            f"through {', '.join(missing)}: robot.arm.settings.cameras.NAME=/NAMESPACE."
        )
    return GraphEnv(interface, steps, dict(namespaces), simulated, robot)


class GraphEnv(gym.Env[Observation, np.ndarray]):
    """To open it is the explicit word that arms safety and frees the policy's commands; with
    `robot.reset=person` that is the operator's, before the arm goes home and before each episode.
    """

    def __init__(
        self,
        interface: Interface,
        max_episode_steps: int,
        namespaces: dict[str, str],
        simulated: bool,
        robot: RobotConfig,
    ) -> None:
        self._period_s = 1.0 / interface.control_rate_hz
        if self._period_s > _QUIET_S:
            raise ConfigError(
                f"the graph stands still after {_QUIET_S} s without a command, and a policy of "
                f"{interface.control_rate_hz:g} Hz sends none for {self._period_s:g} s."
            )
        self.interface, self.max_episode_steps = interface, max_episode_steps
        self.observation_space = observation_space(interface)
        self.action_space = action_space(interface)
        self.render_mode = "rgb_array"
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": interface.control_rate_hz}
        self.spec = EnvSpec("graph", nondeterministic=True)
        self.source = POLICY
        self._simulated, self._judges = simulated, robot.success == "driver"
        self._robot = robot
        self._word: OperatorWord | None = None
        self._greeted = self._ended = False
        self._steps = 0
        self._stamp_s = 0.0
        self._taken: Taken | None = None
        self._position: Vector = ()
        self._succeeded = self._undone = self._stopped = self._moving = False
        self._armed = threading.Event()
        self._sent_s = 0.0
        self._scene = Scene()
        self._sending = threading.Lock()
        self._own = OwnNode("actor_node")
        self._services = Services(self._own.node)
        with contextlib.ExitStack() as undo:
            undo.callback(self._own.close)
            self._join(namespaces)
            if robot.reset != "person":
                self._arm_safety()
            undo.pop_all()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Hold, bring the scene back, look. Raises `HardwareError` while safety is stopped."""
        super().reset(seed=seed, options=options)
        self._stand()
        if self._simulated:
            self._services.set_up(int(self.np_random.integers(2**31)) if seed is None else seed)
            self._arm_safety()
        if self._word is not None and not (self._armed.is_set() and self._greeted):
            self._hear_word()  # whoever started this anew is no reason for an arm to go home
        self._greeted = True
        self._bring_home()
        self._hear_word()
        if not (self._ended or self._armed.is_set()):
            raise HardwareError(
                f"safety is stopped. Remove the cause, call {graph.SAFETY_RESET}, and start again."
            )
        self._steps, self.source = 0, POLICY
        self._succeeded, self._undone, self._stopped = False, False, False
        self._slot.begin_episode(self._activate("a new episode"))
        return self._observe().obs, {"success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        source, self.source = self.source, POLICY
        asked_s = self._stamp_s
        if self._ended:
            self._stand()  # whoever ends the session waits for no last step
        else:
            self._send(self._map.command(action, self._position), human=source == HUMAN)
        # After a pause the frame at hand may show what was there before the command.
        taken = self._observe(after_s=self._soon_s())
        applied, by = self._applied.by_whom(asked_s, taken.stamp_s, self._position)
        self._steps += 1
        success = self._succeeded if self._judges else None
        fault = "safety stopped the arm" if self._stopped else ""
        stood = bool(fault) or self._ended
        done = self._map.hold(self._position) if stood else applied.action
        by = NOBODY if stood else by
        terminated = bool(success)
        over = bool(fault) or self._steps >= self.max_episode_steps
        info = {
            "success": success,
            "applied_action": done,
            "source": source if by == POLICY else by,
            "fault": fault,
            "stamp_s": taken.stamp_s,
        }
        return taken.obs, float(terminated), terminated, over and not terminated, info

    def hold(self) -> np.ndarray:
        """Stand still; the float32 action [A] that says so."""
        self._stand()
        return self._map.hold(self._position)

    def scene(self) -> Scene:
        """What a simulated robot tells of it; a real one tells nothing."""
        return self._scene

    def render(self) -> np.ndarray:  # type: ignore[override]
        """uint8 [256, 256 * cameras, 3]: the newest frames side by side."""
        assert self._taken is not None
        frames = [self._taken.obs[field.key] for field in self.interface.cameras]
        return np.hstack([cut(frame, (), _FILM_SIZE, _FILM_SIZE) for frame in frames])

    def close(self) -> None:
        with contextlib.ExitStack() as closing:
            closing.callback(self._own.close)
            self._stand()
            self._commands.flush()

    # ------------------------------------------------------------------------- the graph

    def _join(self, namespaces: dict[str, str]) -> None:
        node, interface, home = self._own.node, self.interface, self._robot.home
        robot = await_robot(node)
        fields = interface.cameras
        require_fit(
            interface, robot, {f.name: await_camera(node, namespaces[f.name]) for f in fields}
        )
        self._arm = robot.arm
        limits = safety_limits(self._robot.safety, robot.arm, self._period_s) if home else None
        velocity = limits.max_velocity if limits else (0.0,) * len(robot.arm.axes)
        self._homing = Homing(robot.arm.axes, velocity, home, self._period_s)
        self._map = ActionMap(interface, robot.arm.axes)
        self._commands = CommandPublisher(node, graph.POLICY_TWIST, graph.POLICY_JOINTS, robot)
        self._activation = node.create_publisher(Header, graph.POLICY_ACTIVATION, graph.COMMAND)
        self._hand = Hand(node, robot)
        self._slot = ObservationSlot(interface, _MAX_SKEW_S)
        self._applied = AppliedActions(self._map)
        node.create_subscription(
            DiagnosticArray, graph.SAFETY_STEP, self._applied.hear, graph.STATE
        )
        node.create_subscription(Bool, graph.ESTOP, self._hear_stop, graph.LATCHED)
        if self._simulated:
            node.create_subscription(String, graph.SIM_SCENE, self._hear_scene, graph.LATCHED)
        if self._judges:
            node.create_subscription(Bool, graph.SIM_SUCCESS, self._hear_success, graph.LATCHED)
        for field in fields:
            ImageStream(node, f"{namespaces[field.name]}/image_raw", partial(self._see, field.name))
        subscribe_state(node, robot.arm, self._slot.state)
        if self._robot.reset == "person":
            word = partial(self._activate, "the operator's word")  # arming had taken it away
            self._word = OperatorWord(node, self._armed, word)
        node.create_timer(_CHECK_S, self._watch)
        self._own.start()

    def _see(self, camera: str, message: Image) -> None:
        with contextlib.suppress(HardwareError):  # safety stops for a picture that is none
            image = to_image(message)
            self._slot.frame(camera, Frame(image=image, stamp_s=to_seconds(message.header.stamp)))

    def _hear_stop(self, message: Bool) -> None:
        (self._armed.clear if message.data else self._armed.set)()
        self._stopped |= message.data  # whoever armed it again: this episode was stopped

    def _hear_success(self, message: Bool) -> None:
        """What is told before the scene was set up is of the episode before."""
        self._undone |= not message.data
        self._succeeded |= message.data and self._undone

    def _hear_scene(self, message: String) -> None:
        self._scene = scene_from_json(message.data)

    def _activate(self, why: str) -> float:
        """The word that a policy's commands wait for; when it was said."""
        now_s = time.time()
        self._activation.publish(Header(stamp=to_time(now_s), frame_id=why))
        return now_s

    def _soon_s(self) -> float:
        return time.time() + 0.25 * self._period_s

    def _measured(self) -> Vector:
        self._observe(after_s=self._soon_s())
        return self._position

    def _hear_word(self) -> None:
        """Where a person is asked: what stopped the arm itself is over with his word, too."""
        if self._word is not None and not self._ended:
            self._ended = not self._word.wait()
            if not self._ended:
                self._services.trigger(graph.ARM_RECOVER)

    def _bring_home(self) -> None:
        """Raises `HardwareError` where safety stops it, and no person may say that it goes on."""
        while not self._ended:
            self._stopped = False
            self._activate("on the way home")
            try:
                self._homing.drive(self._measured, self._send_home)
                break
            except HardwareError:
                if self._word is None or not self._stopped:
                    raise
            self._hear_word()
        self._stand()

    def _send_home(self, command: Vector) -> None:
        """Raises `HardwareError` where safety stops it."""
        self._send(command, human=False)
        if self._stopped:  # be it armed again by now
            raise HardwareError("safety stopped the arm on its way home.")

    def _observe(self, after_s: float = 0.0) -> Taken:
        """Raises `HardwareError` where cameras or arm fall silent."""
        taken = self._slot.take(_OBSERVATION_S, after_s)
        if taken is None:
            self._stand()
            raise HardwareError(
                f"no observation for {_OBSERVATION_S:g} s: are the cameras and the arm alive?"
            )
        self._taken, self._stamp_s = taken, taken.stamp_s
        self._position = self._arm.reading(taken.state).position
        return taken

    def _stand(self) -> None:
        with self._sending:
            self._hold()

    def _hold(self) -> None:
        self._moving = False
        self._hand.let_go()
        self._commands.hold(time.time())

    def _send(self, command: Vector, human: bool) -> None:
        with self._sending:
            self._sent_s = time.monotonic()
            if human:
                if not self._hand.held:
                    self._commands.hold(time.time())  # the policy stands back
                self._moving = True
                self._hand.drive(command, self._position)
                return
            self._hand.let_go()
            self._moving = moves(self._arm.axes, command)
            self._commands.send(command, self._position, time.time())

    def _watch(self) -> None:
        """Whoever pauses stands still, policy or hand, before safety would stop them."""
        with self._sending:
            if self._moving and time.monotonic() - self._sent_s > _QUIET_S:
                self._hold()
            self._hand.beat()

    def _arm_safety(self) -> None:
        self._services.trigger(graph.ARM_RECOVER)
        self._services.arm(self._armed.is_set)
