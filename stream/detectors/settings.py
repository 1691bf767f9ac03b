"""The detectors' settings: a TOML file with a table for each, checked, with units and bounds; and their
form as arrays.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stream.contracts.vocabulary import CATEGORIES, Category
from stream.detectors.levels import DAY
from stream.errors import ConfigurationError
from stream.reference.return_codes import CLASSES, Class

Weight = Annotated[float, Field(ge=0.0, le=10.0)]
Threshold = Annotated[float, Field(gt=0.0, le=100.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

CREDIT_CATEGORIES: Final[frozenset[Category]] = frozenset(("mortgage", "loan", "credit_card", "car_finance", "short_term_credit"))
"""What a lender must be repaid by agreed dates (FCA CONC 1.3.1G (1) and (5))."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class _Levels(_Settings):
    low: Threshold = Field(description="Weight at which a signal is raised as low.")
    medium: Threshold = Field(description="Weight of medium.")
    high: Threshold = Field(description="Weight of high.")
    category_weights: Mapping[Category, Weight] = Field(description="Weight by category, 0-10; 1 for those that are not named.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low < self.medium < self.high:
            raise ValueError("low, medium and high must rise")
        return self

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Low, medium, high."""
        return self.low, self.medium, self.high


class BouncePressureSettings(_Levels):
    """Settings of `bounce_pressure`."""

    half_life_days: float = Field(ge=1.0, le=365.0, description="Days after which a bounce weighs half.")
    memory_days: int = Field(
        ge=90, le=400, description="Days after which a bounce is forgotten; later news of it changes nothing."
    )
    cure_days: int = Field(
        ge=1,
        le=180,
        description="Days within which a payment to the same counterparty, of at least its amount, cures.",
    )
    release: float = Field(gt=0.0, le=1.0, description="Share of a severity's threshold below which it is given up.")
    class_scales: Mapping[Class, Weight] = Field(
        description="What the return-code table's weights are multiplied by, by class, 0-10; 1 for those not named."
    )


class MissedBillsSettings(_Levels):
    """Settings of `missed_bills`."""

    window_days: int = Field(
        ge=7,
        le=365,
        description="Days after its due date for which an unpaid bill counts; under 63, three monthly ones never count together.",
    )
    repeat_weight: Share = Field(
        description="Share of its category's weight that a further open bill of the same biller counts.",
    )
    repeat_weight_credit: Share = Field(
        description=(
            "The same where its category is credit (mortgage, loan, credit_card, car_finance, short_term_credit): "
            "consecutive missed payments, FCA CONC 1.3.1G (1) and (5)."
        ),
    )


class DetectorSettings(_Settings):
    """Settings of all detectors."""

    bounce_pressure: BouncePressureSettings
    missed_bills: MissedBillsSettings


CONFIG = np.dtype(
    [
        ("bounce_half_life", "f8"),
        ("bounce_memory", "i8"),
        ("bounce_cure", "i8"),
        ("bounce_release", "f8"),
        ("bounce_thresholds", "f8", (3,)),
        ("bounce_class_scale", "f8", (16,)),
        ("bounce_category_weight", "f8", (64,)),
        ("bills_window", "i8"),
        ("bills_thresholds", "f8", (3,)),
        ("bills_category_weight", "f8", (64,)),
        ("bills_repeat_weight", "f8", (64,)),
    ]
)
"""The settings as the compiled functions read them: times in milliseconds, words by their index."""


def config_of(settings: DetectorSettings) -> npt.NDArray[Any]:
    """One row of `CONFIG`."""
    config = np.zeros(1, CONFIG)
    bounces, bills = settings.bounce_pressure, settings.missed_bills
    config["bounce_half_life"] = bounces.half_life_days * DAY
    config["bounce_memory"] = bounces.memory_days * DAY
    config["bounce_cure"] = bounces.cure_days * DAY
    config["bounce_release"] = bounces.release
    config["bounce_thresholds"] = bounces.thresholds
    for index, name in enumerate(CLASSES):
        config["bounce_class_scale"][0, index] = bounces.class_scales.get(name, 1.0)
    config["bills_window"] = bills.window_days * DAY
    config["bills_thresholds"] = bills.thresholds
    for index, category in enumerate(CATEGORIES):
        config["bounce_category_weight"][0, index] = bounces.category_weights.get(category, 1.0)
        weight = bills.category_weights.get(category, 1.0)
        share = bills.repeat_weight_credit if category in CREDIT_CATEGORIES else bills.repeat_weight
        config["bills_category_weight"][0, index] = weight
        config["bills_repeat_weight"][0, index] = weight * share
    return config


def defaults() -> str:
    """The text of the packaged `defaults.toml`."""
    return files("stream.detectors").joinpath("defaults.toml").read_text(encoding="utf-8")


def load(text: str = "") -> DetectorSettings:
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


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        held = out.get(key)
        out[key] = _merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return out
