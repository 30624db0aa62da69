"""Plain data to frozen dataclasses."""

from dataclasses import FrozenInstanceError, asdict, dataclass
from typing import Literal, Optional

import pytest

from robot_rl.agents.base import AGENTS
from robot_rl.build.config import TrainConfig, train_config
from robot_rl.config.schema import flatten, from_tree
from robot_rl.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize("name", AGENTS.names())
def test_defaults_survive_a_round_trip(name):
    config = train_config({"agent": {"name": name}})
    assert type(config.agent) is type(AGENTS.load(name).config)
    assert train_config(asdict(config)) == config


def test_configs_are_frozen():
    with pytest.raises(FrozenInstanceError):
        TrainConfig().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"steps": "many"}, "steps needs a whole number, got 'many'"),
        ({"steps": True}, "steps needs a whole number, got True"),
        ({"agent": {"std": {"start": []}}}, r"agent.std.start needs a number, got \[\]"),
        ({"task": 3}, "task needs a mapping, got 3"),
        ({"task": {"cameras": {"a": {"pos": 1}}}}, r"a.pos needs a list: .*a.pos=\[A,B\], got 1"),
        ({"task": {"cameras": {"a": {"pos": ["x"]}}}}, r"pos\[0\] needs a number, got 'x'"),
        (
            {"robot": {"safety": {"axes": {"a": {"low": 0, "max_velocity": 1}}}}},
            r"robot\.safety\.axes\.a lacks high, max_acceleration\.",
        ),
    ],
)
def test_wrong_types_name_the_place(tree, words):
    with pytest.raises(ConfigError, match=words):
        train_config(tree)


def test_unknown_keys_and_choices_list_the_known():
    with pytest.raises(UnknownNameError, match=r"'agent.tua'. Choose one of: agent.tau"):
        train_config({"agent": {"tua": 1}})
    with pytest.raises(UnknownNameError, match=r"value for device 'gpu'"):
        train_config({"device": "gpu"})


def test_whole_numbers_are_numbers():
    assert from_tree(float, 3, "x") == 3.0
    assert isinstance(from_tree(float, 3, "x"), float)


@dataclass(frozen=True)
class Point:
    x: float = 0.0


@dataclass(frozen=True)
class Options:
    """Every kind of union that a plugin's configuration may have."""

    count: int | None = None
    old: Optional[float] = None  # noqa: UP045
    sizes: tuple[int | None, ...] = ()
    point: Point | None = None
    text_or_count: int | str = 0
    choice: Literal["a", "b"] | None = "a"
    flag: bool | None = None


def test_optional_settings_take_null_and_their_type():
    assert from_tree(Options, {}) == Options()
    given = Options(3, 2.0, (1, None), Point(1.0), "many", None, False)
    assert from_tree(Options, asdict(given) | {"old": 2}) == given
    assert from_tree(Options, {"count": None, "point": None, "choice": "b"}).choice == "b"
    assert from_tree(Options, {"point": {}}).point == Point()


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"count": "many"}, "count needs a whole number, got 'many'"),
        ({"count": True}, "count needs a whole number, got True"),
        ({"sizes": [1, "x"]}, r"sizes\[1\] needs a whole number, got 'x'"),
        ({"point": {"x": None}}, r"point\.x needs a number, got None"),
        ({"text_or_count": 1.5}, "needs a whole number, got 1.5. Or: text_or_count needs a text"),
        ({"text_or_count": None}, "got None"),
    ],
)
def test_what_fits_no_part_of_a_union_names_the_place(tree, words):
    with pytest.raises(ConfigError, match=words):
        from_tree(Options, tree)


def test_unknown_names_inside_a_union_list_the_known():
    with pytest.raises(UnknownNameError, match=r"'point.y'. Choose one of: point.x"):
        from_tree(Options, {"point": {"y": 1}})
    with pytest.raises(UnknownNameError, match="value for choice 'c'"):
        from_tree(Options, {"choice": "c"})


def test_an_annotation_that_plain_data_cannot_become_is_named():
    with pytest.raises(TypeError, match=r"x is annotated <class 'bytes'>"):
        from_tree(bytes, "a", "x")


def test_flatten_keeps_leaves_and_empty_mappings():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}
