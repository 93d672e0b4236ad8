"""How settings are loaded and checked, whatever they are for."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from bus.errors import Misconfigured, Problem
from bus.settings.transport import unprotected
from bus.toml import read_toml

DELIMITER: Final = "__"
_SQLITE_FILE: Final = "sqlite:///"
ENVIRONMENT: Final = "environment"
_SHOWN: Final = 20
"""Letters of a value that is wrong; what is longer may be anything."""


class Section(BaseModel):
    """A table of the settings; the sentence under each field is its documentation everywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Settings(BaseSettings):
    """All settings of one program."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_nested_delimiter=DELIMITER,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file, whose values come in as arguments; nothing else is looked at."""
        return env_settings, init_settings


_S = TypeVar("_S", bound=Settings)


def load(model: type[_S], path: Path | None) -> _S:
    """The settings of a file (none: defaults) and the environment; Misconfigured with every mistake."""
    values = read_toml(path).values if path is not None else {}
    file = str(path) if path is not None else ENVIRONMENT
    secrets = [
        Problem(
            file,
            ".".join(keys),
            "is a secret, which has no place in this file",
            f"Take it out, and set {_variable(model, keys)} or name a file of its own",
        )
        for keys in _secrets_in_file(model, values)
    ]
    problems = [*secrets, *_unknown_variables(model)]
    try:
        loaded = model(**values)
    except ValidationError as exc:
        problems.extend(_problem(model, file, error) for error in exc.errors())
        raise Misconfigured(*problems) from exc
    except SettingsError as exc:
        fix = f"Set single values, such as {_variable(model, ('log', 'level'))}=INFO"
        problems.append(Problem(ENVIRONMENT, _prefix(model), "a variable for a whole table is not JSON", fix))
        raise Misconfigured(*problems) from exc
    problems.extend(_exposed(model, file, loaded))
    if problems:
        raise Misconfigured(*problems)
    return _anchored(loaded, path.parent if path is not None else Path())


def _settings_of(
    model: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, info in model.model_fields.items():
        section = _section(info)
        if section is not None:
            yield from _settings_of(section, (*above, name))
        elif _sections_by_name(info) is None:
            yield (*above, name), info


def _section(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _sections_by_name(info: FieldInfo) -> type[BaseModel] | None:
    """What each table is where they are any number, with names that are data (`[clusters.north]`)."""
    kind = get_args(info.annotation)[1] if get_origin(info.annotation) is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _is_secret(info: FieldInfo) -> bool:
    return info.annotation is SecretStr or SecretStr in get_args(info.annotation)


def _sentence(model: type[BaseModel], name: str) -> str:
    """The sentence under a field; empty where there is none, or no source.

    Read once a mistake asks for it: pydantic would parse the source of every table at each start of a program.
    """
    declaring = next((each for each in model.__mro__ if name in inspect.get_annotations(each)), None)
    try:
        tree = ast.parse(inspect.getsource(declaring)) if declaring else None
    except OSError:
        return ""
    for field, below in pairwise(ast.iter_child_nodes(tree.body[0])) if tree else ():
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=found)), ast.Expr(ast.Constant(str(text))) if found == name:
                return " ".join(text.split())
    return ""


def _prefix(model: type[BaseModel]) -> str:
    return str(model.model_config.get("env_prefix", ""))


def _variable(model: type[BaseModel], keys: tuple[str, ...]) -> str:
    return _prefix(model) + DELIMITER.join(keys).upper()


def _secrets_in_file(
    model: type[BaseModel], values: Any, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The keys of all secrets that a file states."""
    for name, info in model.model_fields.items() if isinstance(values, Mapping) else ():
        found, keys = values.get(name), (*above, name)
        if found is not None and _is_secret(info):
            yield keys
        elif section := _section(info):
            yield from _secrets_in_file(section, found, keys)
        elif (section := _sections_by_name(info)) and isinstance(found, Mapping):
            for each, table in found.items():
                yield from _secrets_in_file(section, table, (*keys, each))


def _unknown_variables(model: type[Settings]) -> Iterator[Problem]:
    """A mistyped section would be passed over in silence; a mistyped key inside a section is found by pydantic."""
    known = [name.upper() for name in model.model_fields]
    for variable in sorted(os.environ):
        rest = variable.upper().removeprefix(_prefix(model))
        if rest != variable.upper() and rest.split(DELIMITER)[0] not in known:
            fix = f"Known beginnings: {', '.join(_prefix(model) + name for name in known)}"
            yield Problem(ENVIRONMENT, variable, "is no setting", fix)


def _exposed(model: type[Settings], file: str, loaded: Settings) -> Iterator[Problem]:
    for keys, wrong, fix in unprotected(loaded):
        variable = _variable(model, keys)
        from_environment = variable in map(str.upper, os.environ)
        place, key = (ENVIRONMENT, variable) if from_environment else (file, ".".join(keys))
        yield Problem(place, key, wrong, fix)


def _problem(model: type[Settings], file: str, error: Any) -> Problem:
    keys = tuple(str(each) for each in error["loc"] if each != "[key]")
    key = ".".join(keys) or "(whole)"
    variable = _variable(model, keys)
    place = ENVIRONMENT if variable in map(str.upper, os.environ) else file
    shown = variable if place == ENVIRONMENT and file != ENVIRONMENT else key
    section, name = _declaring(model, keys)
    info = section.model_fields.get(name)
    sentence = _sentence(section, name) if info else ""
    if error["type"] == "missing":
        return Problem(
            file,
            key,
            "is missing",
            f"Add it, or set {variable}: {sentence}".rstrip(": "),
        )
    if error["type"] == "extra_forbidden":
        siblings = list(section.model_fields)
        near = difflib.get_close_matches(keys[-1], siblings, n=1)
        fix = f"Write {near[0]}" if near else f"Known here: {', '.join(siblings)}"
        return Problem(place, shown, "is not a known key", fix)
    wrong = error["msg"].removeprefix("Value error, ").rstrip(".")
    wrong = f"{_value(info, error['input'])}{wrong[:1].lower()}{wrong[1:]}"
    return Problem(place, shown, wrong, f"It is meant so: {sentence}" if sentence else "Mend it")


def _value(info: FieldInfo | None, value: Any) -> str:
    """The value that is wrong, where it can be shown: somebody may have written a password into a URL."""
    short = isinstance(value, str) and len(value) <= _SHOWN and value.replace("-", "").isalnum()
    if info is None or _is_secret(info) or not (short or isinstance(value, bool | int | float)):
        return ""
    return f"is {value!r}: "


def _declaring(model: type[BaseModel], keys: tuple[str, ...]) -> tuple[type[BaseModel], str]:
    """The innermost table on the way to a key, and the last name that is looked for in it; empty without keys."""
    section: type[BaseModel] | None = model
    here, last = model, ""
    names = iter(keys)
    for key in names:
        if section is None:
            break
        here, last = section, key
        info = here.model_fields.get(key)
        section = _section(info) if info else None
        if info and (by_name := _sections_by_name(info)):
            next(names, None)  # the name of the table, which is data
            section = by_name
    return here, last


_M = TypeVar("_M", bound=BaseModel)


def _anchored(model: _M, base: Path) -> _M:
    """The same settings with every relative path, a SQLite file's too, starting from `base`."""
    changed: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            changed[name] = _anchored(value, base)
        elif isinstance(value, dict):
            changed[name] = {
                key: _anchored(each, base) if isinstance(each, BaseModel) else each
                for key, each in value.items()
            }
        elif isinstance(value, Path):
            changed[name] = base.absolute() / value
        elif isinstance(value, str) and value.startswith(_SQLITE_FILE):
            changed[name] = _SQLITE_FILE + str(base.absolute() / value.removeprefix(_SQLITE_FILE))
    return model.model_copy(update=changed)
