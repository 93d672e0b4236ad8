"""A new password, from a file or typed twice."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from bus.errors import Misconfigured, Problem
from bus.people import hashing
from bus.settings.sections import read_secret


def new_password(file: Path | None) -> str:
    """Return a new password, from a file or by asking twice. Raises Misconfigured for one that is not fit."""
    if file is not None:
        password, where = read_secret(file, "--password-file"), str(file)
    elif sys.stdin.isatty():
        where = "the password"
        password = getpass.getpass("Password: ")
        if getpass.getpass("Repeat it: ") != password:
            raise Misconfigured(Problem(where, "password", "was not the same twice", "Give it again"))
    else:
        fix = "Give --password-file"
        raise Misconfigured(
            Problem("the password", "password", "cannot be asked for without a terminal", fix)
        )
    if found := hashing.unfit(password):
        raise Misconfigured(Problem(where, "password", found, "Choose another"))
    return password
