"""Log records as lines of JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

_PREFIX = "duologue_"


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and the values that this library put into ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name.startswith(_PREFIX) and value is not None:
                line[name.removeprefix(_PREFIX)] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()
