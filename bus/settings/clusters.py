"""How the broker clusters besides `[broker]` are named in the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator

from bus.errors import Misconfigured
from bus.identifiers import CLUSTER_NAME, MAIN


def _further(name: str) -> str:
    if not re.fullmatch(CLUSTER_NAME, name):
        raise ValueError("should be called by small letters, digits and hyphens")
    if name == MAIN:
        raise ValueError("is the cluster of [broker], and is not stated twice")
    return name


ClusterName = Annotated[str, AfterValidator(_further)]


@contextmanager
def section_of(cluster: str) -> Iterator[None]:
    """Have what is found to be wrong with a broker cluster's settings in this block name the cluster's own section."""
    try:
        yield
    except Misconfigured as error:
        if cluster == MAIN:
            raise
        named = (
            replace(one, key=re.sub("^broker", f"clusters.{cluster}", one.key)) for one in error.problems
        )
        raise Misconfigured(*named) from error
