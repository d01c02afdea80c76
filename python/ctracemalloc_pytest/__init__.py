"""What pytest loads in every run of an environment that has ctracemalloc: options, markers, a fixture, and nothing more.

Model: pytest imports the module of an entry point whether somebody asks for it or not, and with it all packages that it is in.
This module is outside of the package ctracemalloc for that reason: the package, its extension and the plugin proper
(ctracemalloc.pytest_plugin) are imported when an option, a setting, a marker or the fixture asks for them.

pytest rewrites the asserts of all modules of a distribution with a plugin, unless they say PYTEST_DONT_REWRITE.
"""

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ctracemalloc.pytest_plugin.fixture import TestMemory
    from ctracemalloc.pytest_plugin.measuring import Measuring

MEMRAY = "memray"  # the name of pytest-memray's entry point
SHARED_MARKERS = {
    "limit_memory": "limit_memory(limit, *, current_thread_only=False): fail if what the test allocates has this size at its"
    " peak",
    "limit_leaks": "limit_leaks(location_limit, *, filter_fn=None, current_thread_only=False): fail if the blocks of one call"
    " stack that the test leaves have this size",
    "limit_leaked_objects": "limit_leaked_objects(*, filter_fn=None): fail if the test leaves objects",
}
OWN_MARKERS = {"limit_growth": "limit_growth(limit): fail if what the test allocates, and leaves, has this size"}
MARKERS = {**SHARED_MARKERS, **OWN_MARKERS}
# Options that ask for measuring.
ASKING = (
    "ctracemalloc",
    "ctracemalloc_children",
    "ctracemalloc_json",
    "ctracemalloc_html",
    "ctracemalloc_snapshots",
    "ctracemalloc_baseline",
    "ctracemalloc_update_baseline",
    "ctracemalloc_raise_baseline",
)
LIMIT_SETTINGS = ("limit_memory", "limit_leaks", "limit_growth")
FIXTURE = "ctracemalloc"
MOST_FRAMES = 65535  # of a traceback


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ctracemalloc", "memory of tests (ctracemalloc)")
    group.addoption("--ctracemalloc", action="store_true", help="measure each test, and show those with most memory")
    group.addoption(
        "--ctracemalloc-top",
        metavar="N",
        type=number_from(0),
        help="how many tests, and how many lines of each, the summary shows (default: 5)",
    )
    group.addoption(
        "--ctracemalloc-nframe",
        metavar="N",
        type=number_from(1, MOST_FRAMES),
        help="how many frames of each traceback are kept, if the plugin starts tracing (default: what is needed)",
    )
    group.addoption("--ctracemalloc-json", metavar="FILE", help="write what was measured to FILE, as JSON")
    group.addoption(
        "--ctracemalloc-json-form",
        choices=("own", "benchmark-action", "bencher"),
        default="own",
        help="the form of the JSON: this package's, or that of github-action-benchmark (customSmallerIsBetter) or Bencher",
    )
    group.addoption("--ctracemalloc-html", metavar="FILE", help="write what was measured to FILE, as a page for a browser")
    group.addoption("--ctracemalloc-snapshots", metavar="DIR", help="write a snapshot of each failed test to the folder DIR")
    group.addoption(
        "--ctracemalloc-baseline",
        metavar="FILE",
        help="fail each test that takes more memory than FILE says it did",
    )
    group.addoption(
        "--ctracemalloc-tolerance",
        metavar="TEXT",
        help="how much more is allowed, a share and a size, of which the larger counts (default: 10%%,512B)",
    )
    group.addoption("--ctracemalloc-update-baseline", action="store_true", help="write the baseline instead")
    group.addoption(
        "--ctracemalloc-raise-baseline",
        action="store_true",
        help="as --ctracemalloc-update-baseline, but what the baseline has is replaced by larger figures only",
    )
    group.addoption(
        "--ctracemalloc-children",
        action="store_true",
        help="as --ctracemalloc, and trace the Python processes that tests start, each with its own figures",
    )
    group.addoption(
        "--ctracemalloc-benchmark",
        action="store_true",
        help="call the function of each of pytest-benchmark's benchmarks once more, and add what memory that takes",
    )
    parser.addini("ctracemalloc", "measure each test, as --ctracemalloc does", type="bool", default=False)
    parser.addini("ctracemalloc_top", "the default of --ctracemalloc-top", default="")
    parser.addini("ctracemalloc_nframe", "the default of --ctracemalloc-nframe", default="")
    for name in LIMIT_SETTINGS:
        text = f"SIZE, or PATTERN: SIZE for the tests whose ids match, of which the last wins: as the marker {name}"
        parser.addini(f"ctracemalloc_{name}", text, type="linelist", default=[])


def number_from(least: int, most: int | None = None) -> "type[int]":
    class Number(int):
        def __new__(cls, text: str) -> "Number":
            number = int.__new__(cls, text)
            if number < least or (most is not None and number > most):
                raise ValueError(f"{number} is out of range")
            return number

    Number.__name__ = f"number from {least}" + (
        f" to {most}" if most is not None else ""
    )  # what argparse says: invalid "number from 1" value
    return Number


def pytest_configure(config: pytest.Config) -> None:
    for text in MARKERS.values():
        config.addinivalue_line("markers", text)
    if is_asked(config):
        measuring(config)
    if config.getoption("ctracemalloc_benchmark"):
        from ctracemalloc.pytest_plugin.benchmark import BenchmarkMemory

        config.pluginmanager.register(BenchmarkMemory(), "ctracemalloc_benchmark")


def is_asked(config: pytest.Config) -> bool:
    """By an option or a setting. Markers and the fixture are seen when the tests are collected."""
    return (
        any(config.getoption(name) for name in ASKING)
        or bool(config.getini("ctracemalloc"))
        or any(config.getini(f"ctracemalloc_{name}") for name in LIMIT_SETTINGS)
    )


def measuring(config: pytest.Config) -> "Measuring":
    """The plugin proper, which is imported and registered the first time."""
    from ctracemalloc.pytest_plugin import measuring_of

    return measuring_of(config, tuple(markers_in_force(config)))


def markers_in_force(config: pytest.Config) -> "dict[str, str]":
    """pytest-memray acts on the markers of its own without being asked. If it is there, they are left to it unless ours is."""
    return OWN_MARKERS if config.pluginmanager.hasplugin(MEMRAY) and not is_asked(config) else MARKERS


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: "Iterable[pytest.Item]") -> None:
    if not is_asked(config):
        names = markers_in_force(config)
        if any(asks(item, names) for item in items):
            measuring(config)


def asks(item: pytest.Item, markers: "dict[str, str]") -> bool:
    if FIXTURE in getattr(item, "fixturenames", ()):
        return True
    return any(marker.name in markers for marker in item.iter_markers())


@pytest.fixture(name=FIXTURE)
def memory_of_the_test(request: pytest.FixtureRequest) -> "Iterator[TestMemory]":
    """A scope of the test: peak, growth, allocated, top(), diff()."""
    plugin = measuring(request.config)
    yield plugin.begin_memory()
    plugin.end_memory()
