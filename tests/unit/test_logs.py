"""What a log line holds, and what it never does."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.exceptions import ConnectionClosedByBroker
from sqlalchemy.exc import DBAPIError

from bus.errors import Misconfigured, Problem, RefusalCode, Refused, Transient
from bus.logs import WITHHELD, _dumps, exceptions_by_place, in_words, withhold, words_of_others


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
        "logging.getLogger('pika').info('not heard')\n"
        "logging.getLogger('pika.adapters.utils.connection_workflow').error('the link says it')"
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


# ── a secret in an exception, whoever raises it and however it comes to the log ─────────────────────

SECRET = "s3cr3t-ขอเชิญประชุม"


class _Own(Exception):
    def __repr__(self) -> str:
        return f"_Own({SECRET})"


def _noted(error: BaseException) -> BaseException:
    error.add_note(SECRET)
    return error


MAKERS: list[Callable[[], BaseException]] = [
    lambda: ValueError(SECRET),
    lambda: KeyError(SECRET),
    lambda: _Own(SECRET),
    lambda: SystemExit(SECRET),
    lambda: OSError(errno.EACCES, SECRET, f"/exchange/outbox/{SECRET}.pdf"),
    lambda: PermissionError(SECRET),
    lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    lambda: httpx.ConnectError(f"https://user:{SECRET}@depot/"),
    lambda: sqlite3.OperationalError(f'near "{SECRET}": syntax error'),
    lambda: psycopg.errors.UniqueViolation(f"Key (subject)=({SECRET}) already exists."),
    lambda: DBAPIError(f"INSERT '{SECRET}'", {"subject": SECRET}, ValueError(SECRET)),
    lambda: ConnectionClosedByBroker(406, SECRET),
    lambda: _noted(RuntimeError("x")),
    lambda: ExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup("b", [_Own(SECRET)])]),
    lambda: Refused(RefusalCode.SCHEMA_VALUE, SECRET, where=SECRET),
]

makers = st.sampled_from(MAKERS)


def _caught(
    outer: Callable[[], BaseException], inner: Callable[[], BaseException], how: str
) -> BaseException:
    """An exception that was really raised, with another one behind it."""
    try:
        try:
            raise inner()
        except BaseException as cause:
            if how == "cause":
                raise outer() from cause
            raise outer()  # noqa: B904 - the context is what is wanted
    except BaseException as met:
        return met


def _written(event: dict[str, Any]) -> str:
    return _dumps(withhold(None, "error", exceptions_by_place(None, "error", event)))


def _by_logging(name: str, message: Any, arguments: Any, info: Any) -> str:
    record = logging.LogRecord(name, logging.ERROR, "x.py", 1, message, arguments, info)
    event = {"event": "", "_record": record, "positional_args": record.args, "exc_info": info}
    said = dict(words_of_others(None, "error", event))
    del said["_record"]
    return _written(said)


def _shapes(error: BaseException) -> list[str]:
    info = (type(error), error, error.__traceback__)
    foreign = ["pika.adapters", "uvicorn.error", "sqlalchemy.pool", "py.warnings", "some.library"]
    return [
        _written({"event": "failed", "exc_info": error}),
        _written({"event": "failed", "exc_info": info}),
        _written({"event": "failed", "why": error}),
        _written({"event": error}),
        _written({"event": "failed", "all": [{"inner": (error,)}], "set": frozenset({error})}),
        _written({"event": "failed", "odd": object.__new__(type("Odd", (), {"__str__": lambda _: SECRET}))}),
        *(_by_logging(name, "it failed: %s after %d", (error, 3), info) for name in foreign),
        *(_by_logging(name, "it failed: %s after %d", (str(error), 3), None) for name in foreign),
        *(_by_logging(name, "%(why)s", ({"why": error},), None) for name in foreign),
        *(_by_logging(name, error, (), info) for name in foreign),
        *(_by_logging(name, f"it failed: {error} and {SECRET}", (), info) for name in foreign),
        _by_logging("asyncio", f"Exception in callback f({SECRET!r})\nhandle: <{error!r}>", (), info),
        _by_logging("bus.broker.link", "lost: %s", (error,), info),
    ]


@given(outer=makers, inner=makers, how=st.sampled_from(["cause", "context"]))
def test_no_exception_brings_its_text_into_a_log(
    outer: Callable[[], BaseException], inner: Callable[[], BaseException], how: str
) -> None:
    error = _caught(outer, inner, how)
    for line in _shapes(error):
        assert "s3cr3t" not in line
        assert "ขอเชิญ" not in line
        assert json.loads(line)["event"]


def test_what_is_ours_or_the_systems_is_said() -> None:
    assert in_words(Transient("the depot is away")) == "the depot is away"
    assert in_words(Refused(RefusalCode.SCHEMA_VALUE, SECRET)) == "schema.value"
    assert in_words(Misconfigured(Problem("bus.toml", "log.level", "is wrong", "Mend it"))).startswith(
        "bus.toml"
    )
    assert in_words(OSError(errno.ENOSPC, SECRET, SECRET)) == "OSError: No space left on device"
    assert in_words(_Own(SECRET)) == "_Own"


@pytest.mark.parametrize(
    ("ending", "event"),
    [
        (f"raise ValueError('{SECRET}')", "the process ended by a fault"),
        (
            f"import threading\ndef f(): raise ValueError('{SECRET}')\nt = threading.Thread(target=f, name='{SECRET}')"
            "\nt.start(); t.join()",
            "a thread ended by a fault",
        ),
        (
            f"class C:\n    def __del__(self): raise ValueError('{SECRET}')\nC()",
            "a fault that could not be raised",
        ),
        (f"import warnings\nwarnings.warn('{SECRET}', RuntimeWarning)", "a warning"),
        (
            f"import asyncio\nasync def f(): raise ValueError('{SECRET}')\nasync def g():\n"
            f"    asyncio.get_running_loop().call_soon(lambda x: 1/0, '{SECRET}'); await asyncio.sleep(0)\n"
            "asyncio.run(g())",
            "Exception in callback",
        ),
    ],
    ids=["process", "thread", "destructor", "warning", "callback"],
)
def test_what_python_itself_would_print_is_a_line_of_ours(ending: str, event: str) -> None:
    script = f"from bus import logs; logs.configure('serve')\n{ending}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    (line,) = (json.loads(each) for each in done.stderr.splitlines())
    assert line["event"].startswith(event)
    assert "s3cr3t" not in done.stderr
    assert done.returncode == (1 if "process" in event else 0)


def test_a_servers_fault_is_one_line_of_ours_without_its_text() -> None:
    script = f"""
import asyncio, socket, urllib.request
from bus import logs
logs.configure("serve", level="DEBUG")
from starlette.applications import Starlette
from starlette.routing import Route
from bus.web import serving
async def fail(request): raise ValueError("{SECRET}")
async def main():
    with socket.create_server(("127.0.0.1", 0)) as probe: port = probe.getsockname()[1]
    async with serving(Starlette(routes=[Route("/", fail)]), "127.0.0.1", port, setting="x"):
        try: await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{{port}}/?token={SECRET[:6]}")
        except urllib.error.HTTPError: pass
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "s3cr3t" not in done.stderr
    lines = [json.loads(each) for each in done.stderr.splitlines()]
    assert [line["event"] for line in lines if line["level"] == "error"] == ["Exception in ASGI application"]


# ── an office's files ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["file", "what", "path", "manifest", "folder", "letter_file"])
def test_what_an_office_calls_its_files_stays_out_and_their_number_comes_in(name: str) -> None:
    assert withhold(None, "info", {name: "ลับ.pdf"}) == {name: WITHHELD}
    assert withhold(None, "info", {name: ["ลับ.pdf"]}) == {name: WITHHELD}
    assert withhold(None, "info", {name: 3}) == {name: 3}
    assert withhold(None, "info", {"where": Path("/exchange/ลับ.pdf")}) == {"where": WITHHELD}


def test_a_line_that_cannot_be_written_brings_no_other_words() -> None:
    script = (
        "from bus import logs; logs.configure('a'); import sys; sys.stderr.close(); logs.get('a').error('x')"
    )
    with contextlib.redirect_stderr(io.StringIO()):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
