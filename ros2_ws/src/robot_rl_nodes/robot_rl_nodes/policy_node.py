"""A policy folder as a lifecycle node: newest frames in, velocity commands out."""

import sys
import threading
import time
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from hardware.announced import require_fit
from hardware.camera import Frame
from hardware.ros_messages import to_image, to_seconds
from robot_rl.axes import Vector
from robot_rl.deploy import urgency
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.runtime import PolicyRuntime, RuntimeConfig
from robot_rl.errors import ConfigError, HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.announced import await_camera, await_robot
from robot_rl_nodes.applied import AppliedActions
from robot_rl_nodes.commands import CommandPublisher
from robot_rl_nodes.image_stream import ImageStream
from robot_rl_nodes.messages import dropped_states, subscribe_state, to_diagnostics, to_time
from robot_rl_nodes.observation import ObservationSlot, Taken
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import explain, run


class PolicyNode(LifecycleNode):
    """Loads and warms up at once, so that a wrong folder or robot ends in one clear line.

    Activate forgets the last episode and acts; deactivate holds. Inference runs on its own thread
    and only ever on the newest observation. An observation that is too old, a picture that cannot
    be read, or a deadline that passes, is answered with a hold.

    `/policy/activation` tells every activation and every episode that someone asked for: what was
    decided before it is never sent after it, and after a stop safety listens to nothing else.
    """

    def __init__(self) -> None:
        super().__init__("policy_node")
        p = Parameters(self)
        self._folder = Path(p.text("policy", "", "the policy folder that training wrote"))
        self._config = RuntimeConfig(
            engine=p.text("engine", "torch", "what runs the network", ("torch", "onnx")),  # type: ignore[arg-type]
            device=p.text("device", "auto", "where it runs", ("auto", "cpu", "cuda")),
            threads=p.count("threads", 1, "threads of the network on a CPU", 1, 64),
            deadline_s=p.number("deadline_s", 0.0, "0: half a control period", 0.0, 1.0),
            own_thread=False,  # this node has a worker already, and safety watches its silence
        )
        self._max_age_s = p.number("max_obs_age_s", 0.1, "older observations hold, s", 0.005, 2.0)
        self._max_skew_s = p.number("max_skew_s", 0.03, "frames and joints of one obs, s", 0, 0.5)
        self._cameras = _pairs(p.texts("cameras", ["front=/camera"], "NAME=NAMESPACE of each"))
        self._active = threading.Event()
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._started = False
        self._decided_s = 0.0
        self._refused = self._refused_pictures = 0
        self._unreadable: dict[str, str] = {}
        self._failed = ""
        self._activation = self.create_publisher(Header, graph.POLICY_ACTIVATION, graph.COMMAND)
        self._diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self.create_service(Trigger, graph.POLICY_RESET, self._reset)
        self._prepare()
        self.create_timer(1.0, self._diagnose)
        if p.flag("autostart", True, "configure and activate at the start"):
            self.trigger_configure()
            self.trigger_activate()
        self._started = True

    # --------------------------------------------------------------- lifecycle

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._failed = ""
        with self._sending:
            self._active.set()
            self._begin("activated")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._hold()
        return super().on_deactivate(state)

    def leave(self) -> None:
        """The arm is told to hold before this node goes."""
        self._hold()
        self._closing.set()
        self._worker.join(timeout=1.0)
        self._commands.flush()

    def _prepare(self) -> None:
        if not self._folder.name:
            raise ConfigError("parameter policy is empty; give the policy folder of a run.")
        runtime = PolicyRuntime(self._folder, self._config)
        interface = runtime.interface
        # Told before a robot is waited for; what the robot is, `require_fit` compares.
        missing = [c.name for c in interface.cameras if c.name not in self._cameras]
        if missing:
            raise HardwareError(
                f"the policy needs the cameras {', '.join(missing)}; parameter cameras names "
                f"{', '.join(self._cameras) or 'none'}."
            )
        robot = await_robot(self)
        cameras = {c.name: await_camera(self, self._cameras[c.name]) for c in interface.cameras}
        require_fit(interface, robot, cameras)
        self._arm = robot.arm
        self._commands = CommandPublisher(self, graph.POLICY_TWIST, graph.POLICY_JOINTS, robot)
        self._map = ActionMap(interface, robot.arm.axes)
        self._applied = AppliedActions(self._map)
        self.create_subscription(
            DiagnosticArray, graph.SAFETY_STEP, self._applied.hear, graph.STATE
        )
        self._slot = ObservationSlot(interface, self._max_skew_s)
        self._runtime = runtime
        for camera in interface.cameras:
            topic = f"{self._cameras[camera.name]}/image_raw"
            ImageStream(self, topic, partial(self._see, camera.name))
        self._assembler = subscribe_state(self, robot.arm, self._slot.state)
        self._worker = threading.Thread(target=self._work, name="inference", daemon=True)
        self._worker.start()

    # ------------------------------------------------------------------ inputs

    def _see(self, camera: str, message: Image) -> None:
        try:
            image = to_image(message)
        except HardwareError as error:
            self._refuse_picture(camera, str(error))
            return
        self._unreadable.pop(camera, None)
        self._slot.frame(camera, Frame(image=image, stamp_s=to_seconds(message.header.stamp)))

    def _refuse_picture(self, camera: str, error: str) -> None:
        self._refused_pictures += 1
        news = self._unreadable.get(camera) != error
        self._unreadable[camera] = error
        with self._sending:
            if self._active.is_set():
                self._commands.hold(time.time())
        if news:
            self.get_logger().warning(f"a picture of {camera} is refused: {error}")
            self._diagnose()

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._sending:
            self._begin("a new episode")
        inactive = "" if self._active.is_set() else "; the policy is inactive"
        response.success, response.message = True, f"a new episode{inactive}"
        return response

    def _begin(self, word: str) -> None:
        """What was decided before this is not sent any more. The caller holds `_sending`."""
        self._slot.begin_episode(time.time())
        # An autostart is nobody's word: a node that was started again waits for one.
        if self._active.is_set() and self._started:
            self._activation.publish(Header(stamp=to_time(time.time()), frame_id=word))

    # ------------------------------------------------------------------ worker

    def _work(self) -> None:
        while not self._closing.is_set():
            if not self._active.wait(timeout=0.1):
                continue
            try:
                self._turn()
            except Exception as error:
                # The outermost loop of this thread: whatever a network or an engine raises, a
                # thread that ended in silence would leave a node that calls itself active.
                self._fail(explain(error))

    def _turn(self) -> None:
        taken = self._slot.take(timeout_s=0.1)
        if taken is None:
            return
        if taken.first:
            self._runtime.reset()
        position = self._arm.reading(taken.state).position
        command = self._decide(taken, position)
        with self._sending:
            # Deactivated, or begun anew, while thinking: the hold must stay the last word.
            if not self._active.is_set() or taken.episode != self._slot.episode:
                return
            if command is None:
                self._commands.hold(time.time())
            else:
                self._commands.send(command, position, time.time())

    def _decide(self, taken: Taken, position: Vector) -> Vector | None:
        """None where it must hold."""
        age_s = time.time() - taken.stamp_s
        if not -self._max_skew_s <= age_s <= self._max_age_s:
            self._refused += 1
            return None
        applied = self._applied.within(self._decided_s, taken.stamp_s, position)
        self._decided_s = taken.stamp_s
        action = self._runtime.act(taken.obs, taken.stamp_s, applied).action
        return None if action is None else self._map.command(action, position)

    def _hold(self) -> None:
        with self._sending:
            self._active.clear()
            self._commands.hold(time.time())

    def _fail(self, error: str) -> None:
        if error == self._failed:
            return  # told already, and holding since
        self._hold()
        self._failed = error
        self.get_logger().error(f"{error} The policy holds until it is activated again.")
        self._diagnose()

    def _diagnose(self) -> None:
        values = [
            *self._runtime.stats.as_dict().items(),
            ("refused_observations", self._refused),
            ("refused_pictures", self._refused_pictures),
            *dropped_states(self._assembler),
        ]
        level, text = self._health()
        self._diagnostics.publish(to_diagnostics("policy", text, values, time.time(), level))

    def _health(self) -> tuple[bytes, str]:
        text = "active" if self._active.is_set() else "inactive"
        if self._failed:
            return DiagnosticStatus.ERROR, self._failed
        if self._unreadable:
            told = "; ".join(f"{camera}: {error}" for camera, error in self._unreadable.items())
            return DiagnosticStatus.ERROR, f"{text}, but it cannot see: {told}"
        return DiagnosticStatus.OK, text


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, namespace = text.partition("=")
        if not equals or not namespace.startswith("/"):
            raise ConfigError(f"parameter cameras holds '{text}'; it needs NAME=/NAMESPACE.")
        pairs[name] = namespace
    return pairs


def main() -> None:
    sys.exit(run(PolicyNode, urgency.MIND))


if __name__ == "__main__":
    main()
