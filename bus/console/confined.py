"""`python -m bus.console.confined PACK KEY`: the checks of `saraban-verify` in a process that can do little else.

It is started by `judging.py` with the file of a stranger. Before a byte of it is read, the kernel is told how much
memory, time, open files and octets of output this process may have. The report goes to standard output, as JSON.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

MEMORY: Final = 1024 * 1024 * 1024
SECONDS: Final = 50
"""Of the processor; `judging.py` counts by the clock on the wall besides."""
OUTPUT: Final = 8 * 1024 * 1024
_FILES: Final = 32
_TOO_LARGE: Final = 3
"""The exit status of a pack that would need more memory."""


def confine() -> None:
    """Take from this process what it does not need."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main(arguments: list[str]) -> int:
    """Judge a pack; return 0 when the report is written, 3 when memory did not suffice."""
    confine()
    # After the limits: whatever these need counts too.
    from bus.verifier.checking import judge
    from bus.verifier.cli import report_of
    from bus.verifier.notes import VerifierKey
    from bus.verifier.printing import print_json

    pack, key = arguments
    try:
        print_json(report_of(judge(Path(pack), VerifierKey.parse(key) if key else None)))
    except MemoryError:
        return _TOO_LARGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
