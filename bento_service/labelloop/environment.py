"""Settings from environment variables, with errors that name the variable, its value and the remedy."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingsError(ValueError):
    """A variable is missing or holds what it may not hold; the message is one line that starts with its name."""


class SettingsErrors:
    """Collects what is wrong with several variables, so that all of it is reported at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """One more mistake."""
        self._lines.append(line)

    def read(self, reader: Callable[[], T], default: T) -> T:
        """What `reader` gives; when it raises SettingsError, `default`, and the mistake is kept."""
        try:
            return reader()
        except SettingsError as error:
            self.add(str(error))
            return default

    def raise_if_any(self) -> None:
        """Raises SettingsError, one line for each mistake, when there is any."""
        if self._lines:
            raise SettingsError("\n".join(self._lines))


class Environment:
    """Typed access to environment variables; one that is set but blank counts as unset, as in a pod's manifest."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def optional(self, name: str) -> str | None:
        """The variable's text without surrounding white space; None when unset or blank."""
        return self._variables.get(name, "").strip() or None

    def text(self, name: str, default: str | None = None, *, remedy: str = "set it") -> str:
        """The variable's text, or `default`; SettingsError when there is neither."""
        value = self.optional(name) or default
        if value is None:
            raise SettingsError(f"{name} is not set: {remedy}")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of `allowed`, compared without case and returned as written there."""
        value = self.optional(name) or default
        for candidate in allowed:
            if value.casefold() == candidate.casefold():
                return candidate
        raise SettingsError(f"{name} is {value!r}: use one of {', '.join(allowed)}")

    def integer(
        self, name: str, default: int | None = None, *, minimum: int | None = None, maximum: int | None = None
    ) -> int:
        """A whole number within the given inclusive bounds."""
        value = self.optional(name)
        if value is None:
            if default is None:
                raise SettingsError(f"{name} is not set: set it to a whole number")
            return default
        try:
            number = int(value)
        except ValueError:
            raise SettingsError(f"{name} is {value!r}: use a whole number") from None
        _check_bounds(name, value, number, minimum, maximum)
        return number

    def number(
        self, name: str, default: float | None = None, *, minimum: float | None = None, maximum: float | None = None
    ) -> float:
        """A finite number within the given inclusive bounds."""
        value = self.optional(name)
        if value is None:
            if default is None:
                raise SettingsError(f"{name} is not set: set it to a number")
            return default
        try:
            number = float(value)
        except ValueError:
            raise SettingsError(f"{name} is {value!r}: use a number such as 0.2") from None
        if not math.isfinite(number):
            raise SettingsError(f"{name} is {value!r}: use a finite number such as 0.2")
        _check_bounds(name, value, number, minimum, maximum)
        return number

    def flag(self, name: str, default: bool = False) -> bool:
        """`true`/`false`, also 1/0, yes/no, on/off."""
        value = self.optional(name)
        if value is None:
            return default
        if value.casefold() in _TRUE:
            return True
        if value.casefold() in _FALSE:
            return False
        raise SettingsError(f"{name} is {value!r}: use true or false")

    def path(self, name: str, default: str | Path | None = None) -> Path:
        """A path; it need not exist."""
        return Path(self.text(name, None if default is None else str(default), remedy="set it to a path"))

    def optional_path(self, name: str) -> Path | None:
        """A path, or None when unset."""
        value = self.optional(name)
        return None if value is None else Path(value)

    def certificates(self, name: str, *, remedy: str) -> bytes | None:
        """What is in the file that the variable names, or None when unset."""
        path = self.optional_path(name)
        if path is None:
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{name} is {str(path)!r}, which cannot be read ({error.strerror}): {remedy}") from None

    def url(self, name: str) -> str:
        """An http(s) address without a trailing slash; credentials inside the address are refused and never echoed."""
        value = self.optional(name)
        remedy = "use an address such as http://label-studio.tools.svc.cluster.local:8080"
        if value is None:
            raise SettingsError(f"{name} is not set: {remedy}")
        try:
            parts = urlsplit(value)
            host = parts.hostname
            _ = parts.port
        except ValueError:
            raise SettingsError(f"{name} is {value!r}: {remedy}") from None
        if parts.username or parts.password:
            raise SettingsError(
                f"{name} holds a user name or password: {remedy}, and put the token into its own variable"
            )
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise SettingsError(f"{name} is {value!r}: {remedy}")
        return value.rstrip("/")

    def json_object(self, name: str) -> dict[str, object]:
        """A JSON object; empty when unset."""
        value = self.optional(name)
        if value is None:
            return {}
        remedy = 'use a JSON object such as {"C": 10}'
        try:
            parsed = json.loads(value, parse_constant=_refuse_constant)
        except ValueError as error:
            raise SettingsError(f"{name} is not JSON ({error}): {remedy}") from None
        if not isinstance(parsed, dict):
            raise SettingsError(f"{name} is {value!r}: {remedy}")
        return parsed


def runs_in_a_pod(variables: Mapping[str, str] | None = None) -> bool:
    """Whether this is a pod, or a container that is run as the operator's pods are."""
    environment = Environment(variables)
    names = ("KUBERNETES_SERVICE_HOST", "LABELLOOP_WORK_DIR", "LABELLOOP_PROJECT")
    return any(environment.optional(name) is not None for name in names)


def _check_bounds(name: str, value: str, number: float, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and number < minimum:
        raise SettingsError(f"{name} is {value!r}: use at least {minimum}")
    if maximum is not None and number > maximum:
        raise SettingsError(f"{name} is {value!r}: use at most {maximum}")


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")
