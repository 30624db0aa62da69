"""Plain data to frozen dataclasses."""

from dataclasses import FrozenInstanceError, asdict

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


def test_flatten_keeps_leaves_and_empty_mappings():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}
