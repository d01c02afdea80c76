"""The pytest plugin proper: what memory each test takes, limits for it, and a summary.

Model: the package ctracemalloc_pytest is the plugin's entry point. It registers the options and imports this package when it
is asked to measure. One object, Measuring, has the hooks. It puts a scope (measure.py) around each phase of a test and hangs
what the scope measured on the phase's report, as numbers and strings only, because pytest-xdist sends reports from process to
process. All that is shown or written is made of the reports, in the process that the user started.

measure.py is the only module that asks the tracer; the others know scopes, lines and stacks.
"""

import os

import pytest

from . import documents, snapshots
from .measuring import Measuring
from .settings import Settings, settings_of

NAME = "ctracemalloc_measuring"


def measuring_of(config: pytest.Config, markers: tuple[str, ...]) -> Measuring:
    """The one of this run; it is made and registered the first time. markers: those that it acts on."""
    found: Measuring | None = config.pluginmanager.get_plugin(NAME)
    if found is None:
        settings = settings_of(config, markers)
        check_outputs(settings)
        found = Measuring(settings)
        config.pluginmanager.register(found, NAME)
        if config.getoption("ctracemalloc_children"):
            from .children import Children  # imported late: with what it needs of the command line

            config.pluginmanager.register(Children(), NAME + "_children")
    return found


def check_outputs(settings: Settings) -> None:
    """Before the first test: can all be written that is asked for?"""
    try:
        if settings.json:
            documents.check(settings.json, settings.json_form)
        if settings.html:
            from . import page  # imported late: with what it needs, which few runs do

            page.check(settings.html)
            if settings.json and os.path.realpath(settings.json) == os.path.realpath(settings.html):
                raise OSError(f"cannot write to {settings.html}: the JSON goes there as well")
        if settings.snapshots:
            snapshots.make_folder(settings.snapshots)
    except OSError as error:
        raise pytest.UsageError(str(error)) from None
