"""The pytest plugin proper: what memory each test takes, limits for it, and a summary.

Model: the package ctracemalloc_pytest is the plugin's entry point. It registers the options and imports this package when it
is asked to measure. One object, Measuring, has the hooks. It puts a scope (measure.py) around each phase of a test and hangs
what the scope measured on the phase's report, as numbers and strings only, because pytest-xdist sends reports from process to
process. All that is shown or written is made of the reports, in the process that the user started.

measure.py is the only module that asks the tracer; the others know scopes, lines and stacks.
"""

import pytest

from .measuring import Measuring
from .settings import settings_of

NAME = "ctracemalloc_measuring"


def measuring_of(config: pytest.Config, markers: tuple[str, ...]) -> Measuring:
    """The one of this run; it is made and registered the first time. markers: those that it acts on."""
    found: Measuring | None = config.pluginmanager.get_plugin(NAME)
    if found is None:
        found = Measuring(settings_of(config, markers))
        config.pluginmanager.register(found, NAME)
    return found
