"""The detectors' settings: a TOML file with a table for each, checked, with units and bounds; and their form as arrays."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError, create_model

from stream.detectors import base, habits, outage_guard
from stream.detectors.registry import MODULES, NAMES, SIGNS
from stream.errors import ConfigurationError

OWN: Final[dict[str, Any]] = {**MODULES, "habits": habits, "outage_guard": outage_guard}
"""Every module that has settings of its own, by name: the detectors, and what they share."""

_fields: Final[dict[str, Any]] = {name: (module.Settings, ...) for name, module in OWN.items()}

DetectorSettings: Final[Any] = create_model("DetectorSettings", __base__=base.Frozen, **_fields)
"""Settings of all detectors: an attribute of its `Settings` for each, and `habits`."""

CONFIG = np.dtype([("enabled", "i1", (len(SIGNS),)), *((name, module.CONFIG) for name, module in OWN.items())])
"""The settings as the compiled functions read them."""


def config_of(settings: Any) -> npt.NDArray[Any]:
    """One row of `CONFIG`."""
    config = np.zeros(1, CONFIG)
    for number, (name, _) in enumerate(SIGNS):
        config["enabled"][0, number] = getattr(settings, name).enabled
    for name, module in OWN.items():
        module.configure(getattr(settings, name), config[name])
    return config


def versions(settings: Any) -> dict[str, str]:
    """What signals name: each detector's version, and eight digits of the hash of its settings."""
    shared = f"{settings.habits.model_dump_json()} {settings.outage_guard.model_dump_json()}"
    found = {}
    for name in NAMES:
        digest = hashlib.sha256(f"{getattr(settings, name).model_dump_json()} {shared}".encode()).hexdigest()
        found[name] = f"{MODULES[name].VERSION}+{digest[:8]}"
    return found


@cache
def defaults() -> str:
    """The text of the packaged `defaults.toml`. Read once: an upgrade under a running worker changes nothing in it."""
    return files("stream.detectors").joinpath("defaults.toml").read_text(encoding="utf-8")


def load(text: str = "") -> Any:
    """Settings from TOML; what it leaves out is as in `defaults.toml`. ConfigurationError names the key and
    the way out.

    Tables of weights are merged key by key.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"the detectors' settings are not TOML: {error}") from None
    try:
        return DetectorSettings.model_validate(_merged(tomllib.loads(defaults()), given))
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(step) for step in problem['loc']) or 'detectors'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    raise ConfigurationError("the detectors' settings are wrong; mend in the file: " + "; ".join(lines))


def _merged(base_: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base_)
    for key, value in over.items():
        held = out.get(key)
        out[key] = _merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return out
