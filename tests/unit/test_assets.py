"""Where the data files are found."""

from __future__ import annotations

import pytest

from bus import assets


def test_a_checkout_has_its_files_beside_the_package() -> None:
    assert (assets.path("config") / "bus.toml").is_file()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"xsd/none\.xsd is missing"):
        assets.path("xsd/none.xsd")
