"""Drivers by name: `package.module:Class`, so that any arm or camera can be plugged in."""

import importlib
import json
from typing import Any

from robot_rl.errors import ConfigError


def load_driver(driver: str, settings: str) -> Any:
    """The class called with `settings`, a JSON object of keyword arguments.

    Raises `ConfigError` where the class cannot be found or does not take them.
    """
    module, _, name = driver.partition(":")
    try:
        return getattr(importlib.import_module(module), name)(**json.loads(settings))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the driver '{driver}' cannot be made ({error}). Write package.module:Class, with "
            "driver_settings as a JSON object."
        ) from error
