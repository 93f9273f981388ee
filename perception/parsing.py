"""The one reader of YAML and JSON files, and of what pydantic finds wrong in them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from perception.errors import ConfigError
from perception.redact import masked, printable

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, edit: Callable[[str], str] = str, most_kb: int = 256) -> dict[str, Any]:
    """The keys and values of a YAML file; an empty file has none.

    Args:
        edit: changes its text before it is parsed.
        most_kb: how long it may be.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds something else than keys with values.
    """
    from perception.yaml_file import parse_yaml  # noqa: PLC0415 - bundles, in JSON, need no YAML

    try:
        with path.open("rb") as file:
            text = file.read((most_kb << 10) + 1)
        if len(text) > most_kb << 10:
            raise ConfigError(f"{path}: is longer than {most_kb} KiB")
        decoded = text.decode()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    try:
        values = parse_yaml(edit(decoded))
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML that is read here: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds a {type(values).__name__}; give keys with values")
    return {str(key): value for key, value in values.items()}


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: it is none, or is nested too deeply, or holds NaN or an infinity.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def validate(model: type[Model], values: dict[str, Any], where: Path) -> Model:
    """The values as the model.

    Raises:
        ConfigError: some are wrong: all of them by name, after `where`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(faults(error))}") from error


def faults(error: ValidationError, shown: Callable[[str], str] = masked) -> list[str]:
    """What is wrong, a line for each key: its name, its value, and what is allowed.

    Args:
        shown: takes secrets out of values and of what is said of them.
    """
    return [printable(_fault(one, shown)) for one in error.errors()]


def _fault(one: Any, shown: Callable[[str], str]) -> str:
    name = ".".join(str(part) for part in one["loc"])
    if one["type"] == "extra_forbidden":
        return f"unknown key {printable(masked(name))}"
    if one["type"] == "missing":
        return f"the key {name} is missing"
    message = shown(one["msg"].removeprefix("Value error, "))
    message = f"{message[:1].lower()}{message[1:]}"
    if not name:
        return message
    if isinstance(one["input"], dict | bytes):
        return f"{name}: {message}"
    given = one["input"]
    value = repr(shown(given)) if isinstance(given, str) else shown(repr(given))
    return f"{name} = {value:.80} is refused: {message}"
