"""Where a guard's lines go: to a logger, or to a function of the program's."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

LOGGER = "ctracemalloc"


def writer_of(log: "logging.Logger | Callable[[str], object] | None" = None) -> Callable[[str], object]:
    """A function that writes a text. log: None: the logger of this package."""
    import logging  # imported late: a program that has its own function may not need it

    if log is None:
        log = logging.getLogger(LOGGER)
    if isinstance(log, logging.Logger | logging.LoggerAdapter):
        logger = log
        return lambda text: logger.warning("%s", text)
    if not callable(log):
        raise TypeError(f"log must be a logger, a function or None, not {type(log).__name__}")
    return log
