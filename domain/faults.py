"""What may be said of an error in a log: its kind, never its words, which may quote what people said or a secret."""

_SAFE = (
    "Connection refused",
    "No such file or directory",
    "Network is unreachable",
    "connection timeout expired",
    "could not translate host name",
    "failed to resolve host",
    "password authentication failed",
    "remaining connection slots",
    "server closed the connection unexpectedly",
    "the database system is in recovery mode",
    "the database system is shutting down",
    "the database system is starting up",
    "the connection is closed",
    "the connection is lost",
    "no responders available",
    "wrong last sequence",
)
"""Words that say what is wrong between processes and quote nothing."""


class Fault(RuntimeError):
    """An error whose words are ours: they say what is wrong and what to do, and quote nothing. The log tells them."""


def describe(error: BaseException) -> str:
    """The error's class, with its SQLSTATE or errno and the words that are known to be harmless, if it has any."""
    if isinstance(error, Fault):
        return f"{type(error).__name__}: {error}"
    known = [f"{name} {value}" for name in ("sqlstate", "errno") if (value := getattr(error, name, None))]
    text = str(error)
    known += [words for words in _SAFE if words in text]
    return f"{type(error).__name__}: {', '.join(known)}" if known else type(error).__name__
