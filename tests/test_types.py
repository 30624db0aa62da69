"""The interface: saved, loaded, compared field by field."""

import dataclasses

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
        st.builds(ActionField, name=names, unit=names, scale=st.floats(-1, 1), control=names),
        max_size=4,
    ).map(tuple),
)


@given(interface=interfaces)
def test_saving_and_loading_gives_the_same_interface(interface, tmp_path_factory):
    path = tmp_path_factory.mktemp("i") / "interface.json"
    interface.save(path)
    assert Interface.load(path) == interface
    interface.require_equal(Interface.load(path), "itself")


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
