"""What a log line holds, and what it never does."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from bus.errors import Transient
from bus.logs import WITHHELD, exceptions_by_place, withhold


def _line(script: str) -> Mapping[str, Any]:
    """The one line that a process of its own logs, since logging is set up once for a whole process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    found: Mapping[str, Any] = json.loads(line)
    return found


def test_a_line_is_json_with_service_level_time_and_trace() -> None:
    line = _line(
        "import structlog; from bus import logs; logs.configure('router')\n"
        "with structlog.contextvars.bound_contextvars(trace='4bf9'):\n"
        "    logs.get('bus.test').info('letter accepted', entry=12, agency='สพร.')"
    )
    assert line["event"] == "letter accepted"
    assert (line["service"], line["level"], line["logger"]) == ("router", "info", "bus.test")
    assert (line["entry"], line["agency"], line["trace"]) == (12, "สพร.", "4bf9")
    assert line["at"].endswith("Z")


def test_other_libraries_speak_json_too() -> None:
    line = _line(
        "import logging; from bus import logs; logs.configure('serve')\n"
        "logging.getLogger('uvicorn.error').warning('port %s', 8470)\n"
        "logging.getLogger('pika').info('not heard')"
    )
    assert (line["event"], line["service"], line["level"]) == ("port 8470", "serve", "warning")


def test_the_level_holds_lesser_words_back() -> None:
    line = _line(
        "from bus import logs; logs.configure('router', level='ERROR')\n"
        "logs.get('a').warning('not heard'); logs.get('a').error('heard')"
    )
    assert line["event"] == "heard"


def test_neither_secrets_nor_contents_are_logged() -> None:
    said = {
        "subject": "ขอเชิญประชุม",
        "broker_password": "s3cret",
        "headers": {"Authorization": "Bearer x", "entry": 3},
        "letter": "5f1c",
    }
    heard = withhold(None, "info", dict(said))
    assert heard == {
        "subject": WITHHELD,
        "broker_password": WITHHELD,
        "headers": {"Authorization": WITHHELD, "entry": 3},
        "letter": "5f1c",
    }


def test_a_foreign_exceptions_message_stays_out_and_ours_comes_in() -> None:
    def fail() -> None:
        try:
            raise ValueError("quotes the letter: ขอเชิญประชุม")
        except ValueError as exc:
            raise Transient("the depot is away") from exc

    try:
        fail()
    except Transient as error:
        heard = exceptions_by_place(logging, "error", {"event": "failed", "exc_info": error})
    ours, foreign = heard["exception"]
    assert (ours["type"], ours["message"]) == ("bus.errors.Transient", "the depot is away")
    assert foreign["type"] == "builtins.ValueError"
    assert "ขอเชิญประชุม" not in json.dumps(heard, ensure_ascii=False)
    assert any(frame.endswith(" fail") for frame in foreign["at"])


def test_an_exception_that_is_being_handled_is_found() -> None:
    line = _line(
        "from bus import logs; logs.configure('router')\n"
        "try: {}['ขอเชิญประชุม']\n"
        "except KeyError: logs.get('a').exception('failed')"
    )
    (error,) = line["exception"]
    assert error["type"] == "builtins.KeyError"
    assert "ขอเชิญประชุม" not in json.dumps(line, ensure_ascii=False)


def test_a_line_stays_one_line_of_json_whatever_is_in_it_and_whatever_the_console_can_show() -> None:
    """Line ends, terminal escapes, marks that turn the direction, half a surrogate pair."""
    script = (
        "from bus import logs; logs.configure('router')\n"
        "logs.get('a').info('x', name='\\r\\n{\\x1b[2J\\u202e\\x9b\\u2028\\udcff\\xe9น้ำ')"
    )
    for encoding in ("utf-8", "cp874", "ascii"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=True,
        )
        text = done.stderr.decode(encoding)
        assert text.endswith("\n")
        assert not set("\x1b\u202e\x9b\u2028\r") & set(text)
        (line,) = text.splitlines()
        assert json.loads(line)["name"] == "\r\n{\x1b[2J\u202e\x9b\u2028\udcff\xe9น้ำ"
