"""Logs: JSON lines on standard error, those of libraries as well, without secrets and without what people said.

An error's words may quote either, so an error is told by its class and the places that it came through.
"""

import contextlib
import logging
import re
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from domain.faults import describe

_FRAMES_MAX = 20
_CAUSES_MAX = 5
_PLAIN = re.compile(r"[A-Za-z ]*")


def configure(level: str) -> None:
    """`level`: of our own lines; libraries are heard from WARNING on."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_formatted),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            structlog.processors.JSONRenderer(),
            foreign_pre_chain=[_without_values, *shared],
            use_get_message=False,
            pass_foreign_args=True,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _formatted(exc_info: ExcInfo) -> str:
    """The frames and the classes of an error and of what caused it, the newest last."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(parts) < _CAUSES_MAX:
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
        parts.append("\n".join([*(f"{f.filename}:{f.lineno} {f.name}" for f in frames), describe(error)]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\ncaused\n".join(reversed(parts))


def _without_values(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What a library says: the words that are in its code, with numbers and classes of errors filled in."""
    record: logging.LogRecord = line["_record"]
    words = str(line["event"]).partition("\n")[0]
    if record.name == "asyncio":  # it writes its lines out itself, with the repr of whatever failed
        matched = _PLAIN.match(words)
        words = matched[0].strip() if matched else ""
    arguments = line.pop("positional_args", ()) or ()
    with contextlib.suppress(TypeError, ValueError):  # its template alone, then
        words %= tuple(_harmless(one) for one in arguments) if isinstance(arguments, tuple) else ()
    return {**line, "event": words, "logger": record.name}


def _harmless(value: Any) -> Any:
    if isinstance(value, BaseException):
        return describe(value)
    return value if isinstance(value, int | float) else "…"
