"""Who commands the arm, and whether anyone may: the mux and the watch around `SafetyFilter`.

Fed with events, ticked at a steady rate, free of ROS and of threads. One rule runs through it:
silence after motion is a fault and latches; silence after an explicit hold is peace.
A reset arms and no more: a policy that streamed before it waits until it is activated again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from robot_rl.axes import Vector, moves
from robot_rl.deploy.camera_watch import CameraWatch
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.verdicts import ArmReading, Command, Now, Reason, Verdict

POLICY, HUMAN, NOBODY = "policy", "human", "nobody"
_CAMERA_HINTS = {
    Reason.STALE_OBSERVATION: "does it run?",
    Reason.CAMERA_FROZEN: "a picture that differs ends it",
    Reason.CAMERA_BLANK: "is it covered?",
    Reason.CAMERA_MALFORMED: "it must be rgb8 or bgr8, and whole",
}
_HINTS = _CAMERA_HINTS | {
    Reason.STALE_STATE: "is the arm node running?",
    Reason.JOINT_LIMIT: "a human may creep away from it",
    Reason.FORCE_LIMIT: "free the arm",
    Reason.CLOCK_JUMP: "stamps lie ahead of this machine's clock",
    Reason.NOT_FINITE: "it still comes",
    Reason.MALFORMED: "it still comes",
    Reason.TWO_PUBLISHERS: "a killed one is forgotten after some seconds",
}


@dataclass(frozen=True, kw_only=True)
class SupervisorLimits:
    """How long each side may be silent in motion, and how far the system clock may jump."""

    policy_silence_s: float = 0.15
    deadman_silence_s: float = 0.15
    clock_jump_s: float = 0.1


class Supervisor:
    """Feed it every command, frame and arm state; publish every `Verdict` that it returns."""

    def __init__(
        self, safety: SafetyFilter, cameras: Mapping[str, CameraWatch], limits: SupervisorLimits
    ) -> None:
        self.safety = safety
        self.cameras = dict(cameras)
        self.limits = limits
        self.proposed: dict[str, Vector] = {}
        self._reading: ArmReading | None = None
        self._policy_s = self._deadman_s = -1e9
        self._held = False
        self._policy_moves = False
        self._policy_newest: Command | None = None
        self._activated_s: float | None = None
        self._reset_s = 0.0
        self._clock_offset_s: float | None = None
        self._publishers = 0

    @property
    def source(self) -> str:
        """Who commands now."""
        if self._held:
            return HUMAN
        return POLICY if self._policy_moves else NOBODY

    @property
    def latched(self) -> bool:
        return self.safety.latch.latched

    def policy_waits(self, now: Now) -> bool:
        """Whether a policy streams that nobody has activated since the reset."""
        return self._activated_s is None and self._streams(now)

    # ------------------------------------------------------------------ events

    def policy(self, command: Command, now: Now) -> Verdict | None:
        """None where a human has the arm: the policy's wish is noted and goes no further."""
        self._policy_s, self._policy_newest = now.mono_s, command
        self._propose(command)
        allowed = self._activated_s is not None and command.stamp_s >= self._activated_s
        self._policy_moves = allowed and moves(self.safety.limits.axes, command.values)
        if self._held:
            return None
        if not allowed and self._reading is not None:
            return self.safety.refuse(command, self._reading, now, Reason.NOT_ACTIVATED)
        if self._policy_moves:
            self._stop_for_cameras(now)
        return self._judge(command, now)

    def activated(self, stamp_s: float) -> None:
        """Someone activated the policy, or began an episode, at `stamp_s`.

        It frees the commands made since, and counts for nothing before a reset.
        """
        if not self.latched and stamp_s >= self._reset_s - self.safety.limits.clock_tolerance_s:
            self._activated_s = stamp_s

    def human(self, command: Command, now: Now) -> Verdict | None:
        """None while the dead-man is up."""
        self._propose(command)
        if not self._held:
            return None
        return self._judge(command, now)

    def deadman(self, held: bool, now: Now) -> Verdict | None:
        """A heartbeat of the dead-man switch. Letting go holds the arm at once."""
        self._deadman_s = now.mono_s
        released, self._held = self._held and not held, held
        if not released:
            return None
        self.proposed.pop(HUMAN, None)
        return self._nothing(now)

    def operator_lost(self, now: Now) -> Verdict | None:
        """The device itself vanished with the dead-man held: nobody let go on purpose."""
        if not self._held:
            return None
        self._held = False
        self.safety.stop(Reason.OPERATOR_LOST)
        return self._nothing(now)

    def arm(self, reading: ArmReading) -> None:
        self._reading = reading

    def camera(self, name: str, frame: memoryview, stamp_s: float) -> None:
        """Every frame of a watched camera."""
        tcp_pos = self._reading.tcp_pos_m if self._reading else ()
        self.cameras[name].see(frame, stamp_s, tcp_pos)

    def refused_camera(self, name: str) -> None:
        """A picture of a watched camera that cannot be read."""
        self.cameras[name].refuse()

    def publishers(self, most: int) -> None:
        """The largest number of nodes that publish on one command topic."""
        self._publishers = most
        if most > 1:
            self.safety.stop(Reason.TWO_PUBLISHERS)

    def trigger(self) -> None:
        self.safety.stop(Reason.TRIGGERED)

    def reset(self, now: Now) -> tuple[bool, str]:
        """Clear the latch of every reason that is over, and say what still is wrong.

        The policy stays out until it is `activated` again.
        """
        if self._held:
            return False, "let go of the dead-man switch first"
        if self._reading is None:
            return False, "the arm has not reported its state yet"
        self._policy_moves, self._activated_s, self._reset_s = False, None, now.system_s
        causes = self._causes(self._reading, now)
        self._clock_offset_s = now.system_s - now.mono_s
        self.safety.latch.reset()
        for cause in causes:
            self.safety.latch.latch(cause)
        return not causes, "; ".join(causes.values()) or "armed"

    def _causes(self, reading: ArmReading, now: Now) -> dict[Reason, str]:
        """What would stop the arm again, in words."""
        command = self._policy_newest if self._streams(now) else None
        causes = {r: _told(r) for r in self.safety.lasting(reading, now.system_s, command)}
        if self._publishers > 1:
            causes[Reason.TWO_PUBLISHERS] = _told(Reason.TWO_PUBLISHERS)
        return causes | self._camera_causes(now)

    def _camera_causes(self, now: Now) -> dict[Reason, str]:
        """Only after a stop for cameras: a human may drive where none is needed."""
        latched = set(self.safety.latch.reasons)
        matters = latched | _CAMERA_HINTS.keys() if latched & _CAMERA_HINTS.keys() else latched
        faults = {name: watch.fault(now.system_s) for name, watch in self.cameras.items()}
        return {f: _told(f, name) for name, f in faults.items() if f is not None and f in matters}

    def _streams(self, now: Now) -> bool:
        return now.mono_s - self._policy_s <= self.limits.policy_silence_s

    # -------------------------------------------------------------------- tick

    def tick(self, now: Now) -> Verdict | None:
        """A hold wherever nobody may or wants to move; None while commands flow."""
        self._watch(now)
        source = HUMAN if self._held else POLICY
        if self.safety.latch.holds(source) or not (self._policy_moves or self._held):
            return self._nothing(now)
        return None

    def _watch(self, now: Now) -> None:
        self._watch_clock(now)
        if self._held and now.mono_s - self._deadman_s > self.limits.deadman_silence_s:
            self.operator_lost(now)
        # The first cause is the one to show; what follows from the stop is not news.
        if self.latched or not self._policy_moves or self._held:
            return
        # A policy without pictures falls silent: that is not the cause.
        self._stop_for_cameras(now)
        if now.mono_s - self._policy_s > self.limits.policy_silence_s:
            if not self.latched:
                self.safety.stop(Reason.POLICY_SILENT)
            self._policy_moves = False

    def _watch_clock(self, now: Now) -> None:
        offset_s = now.system_s - now.mono_s
        if self._clock_offset_s is None:
            self._clock_offset_s = offset_s
        if abs(offset_s - self._clock_offset_s) > self.limits.clock_jump_s:
            self.safety.stop(Reason.CLOCK_JUMP)
            self._clock_offset_s = offset_s

    def _stop_for_cameras(self, now: Now) -> None:
        for watch in self.cameras.values():
            fault = watch.fault(now.system_s)
            if fault is not None:
                self.safety.stop(fault)

    # ----------------------------------------------------------------- verdicts

    def _judge(self, command: Command, now: Now) -> Verdict:
        if self._reading is None:
            return self._nothing(now)
        return self.safety.apply(command, self._reading, now)

    def _nothing(self, now: Now) -> Verdict:
        reasons = tuple(self.safety.latch.reasons)
        return self.safety.hold(NOBODY, self._reading, now, reasons=reasons)

    def _propose(self, command: Command) -> None:
        """Remember a wish; a hold is none."""
        if command.values is None:
            self.proposed.pop(command.source, None)
        else:
            self.proposed[command.source] = command.values


def _told(reason: Reason, camera: str = "") -> str:
    where = f" ({camera})" if camera else ""
    return f"{reason}{where}: {_HINTS.get(reason, 'it lasts')}"
