"""A directory against the settings: does it put agencies on broker clusters that the settings do not have?"""

from __future__ import annotations

from collections.abc import Collection

from bus.directory.model import Directory
from bus.errors import Misconfigured, Problem


def unknown_clusters(directory: Directory, known: Collection[str]) -> list[str]:
    """Return the clusters that a directory names and that are not among the known ones."""
    return sorted(set(directory.clusters) - set(known))


def require_known_clusters(directory: Directory, known: Collection[str], place: str) -> None:
    """Raise Misconfigured, with every agency on one, if there are unknown clusters; `place` is where it says so."""
    problems = [
        Problem(
            place,
            f"agency[{code}].cluster",
            f"the settings have no broker cluster {cluster}",
            f"Add [clusters.{cluster}] to bus.toml, or mend the name (known: {', '.join(sorted(known))})",
        )
        for cluster in unknown_clusters(directory, known)
        for code in directory.inboxes_on(cluster)
    ]
    if problems:
        raise Misconfigured(*problems)
