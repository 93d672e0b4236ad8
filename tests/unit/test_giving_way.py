"""A process that carries no letter lets the others have the processor and the memory first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_GIVES_WAY = """
import os
from pathlib import Path
from bus.process import give_way
before = os.nice(0)
give_way()
group = Path("/proc/self/autogroup")
print(os.nice(0) - before, group.read_text().split()[-1] if group.exists() else "none")
"""
_GIVES_BACK = """
import gc
from bus.process import give_back_memory
class Circle:
    pass
def garbage():
    one = Circle()
    one.itself = one
garbage()
gc.disable()
give_back_memory()
kept = [Circle()]
give_back_memory(whole=False)
set_aside = gc.get_freeze_count()
kept[0].itself = kept[0]
kept.clear()
give_back_memory(whole=False)
left = sum(isinstance(one, Circle) for one in gc.get_objects())
gc.unfreeze()
later = sum(isinstance(one, Circle) for one in gc.get_objects())
give_back_memory()
gc.unfreeze()
print(set_aside > 0, left, later, sum(isinstance(one, Circle) for one in gc.get_objects()))
"""


def run(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, start_new_session=True
    )
    return done.stdout.split()


def test_it_is_nicer_than_the_rest_and_so_is_its_session() -> None:
    nicer, group = run(_GIVES_WAY)
    assert int(nicer) == 10
    assert group == ("10" if Path("/proc/self/autogroup").exists() else "none")


def test_what_is_set_aside_is_looked_through_when_the_whole_is_asked_for() -> None:
    assert run(_GIVES_BACK) == ["True", "0", "1", "0"]
