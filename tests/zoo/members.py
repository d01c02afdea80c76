"""The members of the zoo: which builds of CPython this package is tried on.

Model: a *shipped* member is the Python of a Debian release, in a folder made by debootstrap. A *built* member is
CPython built here from Debian's source package with the options of one row of BUILDS. A *found* member is an
interpreter that is on this machine already (3.12, of which Debian has no source package any more).

BUILDS is a covering array: each pair of values of two options is in at least one row. `uncovered()` proves it.
"""

import itertools
from collections import namedtuple

Shipped = namedtuple("Shipped", "name version suite packages")
Build = namedtuple("Build", "compiler level lto link protection frames")
Built = namedtuple("Built", "name version build")
Found = namedtuple("Found", "name version")
Source = namedtuple("Source", "path sha256")

VALUES = Build(
    compiler=("gcc", "clang"),
    level=("-O0", "-O2", "-O3"),
    lto=("lto", "nolto"),
    link=("shared", "static"),
    protection=("cf", "nocf"),  # -fcf-protection: endbr64 at the start of functions
    frames=("fp", "nofp"),  # frame pointers
)

# Cheap ones first: a short run builds only the first rows.
BUILDS = [
    Build("gcc", "-O0", "nolto", "shared", "cf", "fp"),
    Build("clang", "-O2", "nolto", "static", "cf", "fp"),
    Build("clang", "-O3", "nolto", "shared", "nocf", "fp"),
    Build("clang", "-O2", "nolto", "shared", "cf", "nofp"),
    Build("clang", "-O0", "lto", "static", "nocf", "nofp"),
    Build("gcc", "-O2", "lto", "shared", "nocf", "fp"),
    Build("gcc", "-O3", "lto", "static", "cf", "nofp"),
]

# Debian's source packages, newest first; the first one that is available is built. The sums are those of Debian's own
# index of sources; that of 3.14.4, which is no longer in the index, was computed from the file.
POOL = "http://deb.debian.org/debian/pool/main/p/"
SOURCES = {
    "3.11": [
        Source(
            "python3.11/python3.11_3.11.2.orig.tar.gz",
            "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
        )
    ],
    "3.12": [],  # no suite of Debian has it any more
    "3.13": [
        Source(
            "python3.13/python3.13_3.13.5.orig.tar.xz",
            "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
        )
    ],
    "3.14": [
        Source(
            "python3.14/python3.14_3.14.10.orig.tar.xz",
            "de414a57119abef52784d8993e341d53aed635fc2b05c2607d9f98a2c5b72032",
        ),
        Source(
            "python3.14/python3.14_3.14.4.orig.tar.xz",
            "d923c51303e38e249136fc1bdf3568d56ecb03214efdef48516176d3d7faaef8",
        ),
    ],
    "3.15": [
        Source(
            "python3.15/python3.15_3.15.2.orig.tar.xz",
            "8b5536d280142ecf6cdfe15d12a21ba1c65e300bbf7b28a8d0cdb849575797de",
        )
    ],
}
VERSIONS = tuple(SOURCES)

SHIPPED = [
    Shipped("bookworm-3.11", "3.11", "bookworm", ("python3.11-dev", "python3.11-venv")),
    Shipped("trixie-3.13", "3.13", "trixie", ("python3.13-dev", "python3.13-venv")),
    Shipped("sid-3.13", "3.13", "sid", ("python3.13-dev", "python3.13-venv")),
    Shipped("sid-3.14", "3.14", "sid", ("python3.14-dev", "python3.14-venv")),
    Shipped("sid-3.15", "3.15", "sid", ("python3.15-dev", "python3.15-venv")),
]

# A selection that continuous integration has time for: both kinds of binding of libpython, two compilers.
SMALL = ("bookworm-3.11", "trixie-3.13", "3.13-gcc-O0-nolto-shared-cf-fp")


def built_name(version, build):
    return "-".join((version, build.compiler, build.level[1:], *build[2:]))


def built_members(version):
    return [Built(built_name(version, build), version, build) for build in BUILDS]


def all_members():
    members = list(SHIPPED)
    members += [Found("found-" + version, version) for version in VERSIONS]
    for build_round in zip(*(built_members(version) for version in VERSIONS)):
        members += build_round
    return members


def pairs(row):
    return {(a, row[a], b, row[b]) for a, b in itertools.combinations(range(len(row)), 2)}


def uncovered():
    """The pairs of values that no row of BUILDS has; none are left when the table is right."""
    wanted = set()
    for a, b in itertools.combinations(range(len(VALUES)), 2):
        wanted |= {(a, x, b, y) for x in VALUES[a] for y in VALUES[b]}
    for row in BUILDS:
        wanted -= pairs(row)
    return sorted(wanted)
