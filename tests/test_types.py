"""The interface: saved, loaded, compared field by field."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError
from robot_rl.types import ActionField, CameraField, Interface, ProprioField
from tests.conftest import make_interface

names = st.text("abcdef", min_size=1, max_size=5)
sizes = st.integers(16, 200)
interfaces = st.builds(
    Interface,
    task=names,
    control_rate_hz=st.floats(1, 100),
    cameras=st.lists(
        st.builds(
            CameraField,
            name=names,
            height=sizes,
            width=sizes,
            rate_hz=st.floats(1, 60),
        )
        | st.builds(
            CameraField,
            name=names,
            height=sizes,
            width=sizes,
            rate_hz=st.floats(1, 60),
            crop=st.just((0, 1, 16, 16)),
            source_height=st.integers(16, 500),
            source_width=st.integers(17, 500),
        ),
        max_size=3,
    ).map(tuple),
    proprio=st.lists(
        st.builds(ProprioField, name=names, unit=names, size=st.integers(1, 9)), max_size=3
    ).map(tuple),
    actions=st.lists(
        st.builds(
            ActionField,
            name=names,
            unit=names,
            kind=st.sampled_from(["displacement", "velocity", "position"]),
            scale=st.floats(0.01, 1) | st.floats(-1, -0.01),
            hold=st.floats(-1, 1),
            offset=st.floats(-1, 1),
        ),
        max_size=4,
    ).map(tuple),
)


@given(interface=interfaces)
def test_saving_and_loading_gives_the_same_interface(interface, tmp_path_factory):
    path = tmp_path_factory.mktemp("i") / "interface.json"
    interface.save(path)
    assert Interface.load(path) == interface
    interface.require_equal(Interface.load(path), "itself")


def test_an_action_that_makes_no_sense_is_refused():
    sensible = ActionField(name="a", unit="m", kind="velocity", scale=1.0, hold=0.0)
    for change, words in (
        ({"kind": "delta"}, "a is a 'delta'; choose one of displacement, velocity, position"),
        ({"scale": 0.0}, "it moves nothing"),
        ({"hold": None}, "a is a velocity; say which value holds it"),
    ):
        with pytest.raises(ConfigError, match=words):
            dataclasses.replace(sensible, **change)


def test_holding_is_a_value_of_each_axis_and_not_zero():
    """A quadcopter hovers at a third of its thrust; a joint by set-points stays where it is."""
    thrust = ActionField(name="thrust", unit="N", kind="position", scale=30.0, hold=1 / 3)
    elbow = ActionField(
        name="joint/elbow", unit="rad", kind="position", scale=2.0, offset=0.5, hold=None
    )
    turn = ActionField(name="tcp_rz", unit="rad", kind="displacement", scale=0.1, hold=0.0)
    interface = dataclasses.replace(make_interface(), actions=(thrust, elbow, turn))
    held = interface.hold_action({"joint/elbow": 1.5})
    assert held.dtype == np.float32
    assert held == pytest.approx([1 / 3, 0.5, 0.0])
    with pytest.raises(InterfaceMismatchError, match="joint/elbow is held where it stands"):
        interface.hold_action({"tcp_x": 0.1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "arm/lift"}, "task is 'test/tiny' here and 'arm/lift' there"),
        ({"control_rate_hz": 20.0}, "control_rate_hz is 10.0 here and 20.0 there"),
        ({"cameras": ()}, r"cameras is \[cam0\] here and \(\) there"),
        ({"actions": make_interface(actions=3).actions}, r"actions is \[a0, a1\] here"),
    ],
)
def test_a_mismatch_names_the_field(change, words):
    interface = make_interface()
    with pytest.raises(InterfaceMismatchError, match=words):
        interface.require_equal(dataclasses.replace(interface, **change), "the policy")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"task": "a"}', '{"cameras": 3}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "interface.json"
    path.write_text(text)
    with pytest.raises(CorruptFileError, match="is not an interface file"):
        Interface.load(path)


@pytest.mark.parametrize(
    ("crop", "source", "words"),
    [
        ((0, 0, 16, 16), (0, 0), "does not lie inside 0x0"),
        ((5, 0, 16, 16), (20, 20), r"crop \(5, 0, 16, 16\) .* does not lie inside 20x20"),
        ((0, 5, 16, 16), (20, 20), "does not lie inside"),
        ((-1, 0, 16, 16), (20, 20), "does not lie inside"),
        ((0, 0, 0, 16), (20, 20), "does not lie inside"),
        ((0, 0, 16), (20, 20), "does not lie inside"),
        ((), (20, 20), "has a source's size and no crop"),
    ],
)
def test_a_crop_lies_in_its_source(crop, source, words):
    with pytest.raises(ConfigError, match=words):
        CameraField(
            name="c",
            height=16,
            width=16,
            rate_hz=10.0,
            crop=crop,
            source_height=source[0],
            source_width=source[1],
        )
