"""Builds the extension and puts the start-up hook beside the package.

Everything declarative is in pyproject.toml. Here is what needs code: the list of C sources, the
version (its one source is CTM_VERSION in include/ctm/ctm.h), the README as an index shows it,
the refusal of systems the tracer does not know, and `ctracemalloc.pth`, which has to lie at the
root of site-packages.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

HERE = Path(__file__).resolve().parent
HOOK = "ctracemalloc.pth"


def read_version() -> str:
    text = (HERE / "include" / "ctm" / "ctm.h").read_text(encoding="utf-8")
    found = re.search(r'^#define CTM_VERSION "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("include/ctm/ctm.h does not define CTM_VERSION")
    return found.group(1)


def index_page(text: str, urls: dict[str, str], version: str) -> str:
    """README.md as a package index shows it, where a link to a file of the project leads nowhere.

    With a public repository (`Source` in pyproject's project.urls) such links lead there, at the tag of the version;
    without one they become the file's name, and the last line says where the files are.
    """

    def replace(match: re.Match[str]) -> str:
        label, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        if "Source" in urls:
            return f"[{label}]({urls['Source']}/blob/v{version}/{target})"
        return f"`{target}`" if label == target else f"{label} (`{target}`)"

    page = re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", replace, text)
    if "Source" not in urls:
        page += f"\nThe files named here are in the [source distribution]({urls['Download']}).\n"
    return page


def read_page() -> str:
    with open(HERE / "pyproject.toml", "rb") as file:
        urls = tomllib.load(file)["project"]["urls"]
    return index_page((HERE / "README.md").read_text(encoding="utf-8"), urls, read_version())


def refuse_unknown_system() -> None:
    if not sys.platform.startswith("linux"):
        raise SystemExit(f"ctracemalloc runs on Linux only for now, not on {sys.platform}")
    if sys.implementation.name != "cpython":
        raise SystemExit(f"ctracemalloc is for CPython, not for {sys.implementation.name}")
    if not (3, 11) <= sys.version_info < (3, 16):
        version = ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(f"ctracemalloc knows CPython 3.11 to 3.15, not {version}")


# The decoder of x86-64 instructions, as third_party/zydis/README.md says; other processors need none.
HAS_DECODER = sysconfig.get_platform().endswith("x86_64")
ZYDIS = Path("third_party", "zydis")
ZYDIS_INCLUDES = [str(ZYDIS / "zydis" / "include"), str(ZYDIS / "zydis" / "src"), str(ZYDIS / "zycore" / "include")]
ZYDIS_MACROS = [
    ("ZYDIS_STATIC_BUILD", None),
    ("ZYCORE_STATIC_BUILD", None),
    ("ZYDIS_DISABLE_ENCODER", None),
    ("ZYDIS_DISABLE_FORMATTER", None),
    ("ZYDIS_DISABLE_SEGMENT", None),
    ("ZYDIS_DISABLE_AVX512", None),
    ("ZYDIS_DISABLE_KNC", None),
]


def find_sources() -> list[str]:
    """All C files: those of the other CPython families compile to nothing."""
    return sorted(
        str(path.relative_to(HERE))
        for folder in ("src/libctm", "src/pyext", *([ZYDIS] if HAS_DECODER else []))
        for path in (HERE / folder).rglob("*.c")
    )


def find_headers() -> list[str]:
    return sorted(str(path.relative_to(HERE)) for folder in ("include", "src", ZYDIS) for path in (HERE / folder).rglob("*.h"))


def link_time_optimization(*more: str) -> list[str]:
    """The flags for it, if the compiler is GCC: an event in a hook is one function then, through all files of the core.

    Others would need a linker that goes with them; without it everything works, at a few calls more for each event.
    """
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    try:
        about = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
        version = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    is_gcc = "Free Software Foundation" in about and version.split(".")[0].strip().isdigit()
    knows_auto = is_gcc and int(version.split(".")[0]) >= 10
    return ["-flto=auto" if knows_auto else "-flto", *more] if is_gcc else []


class BuildExtWhole(build_ext):
    """build_ext that takes an earlier build's library only if it would make the same.

    A linker that is killed leaves part of its file, which is newer than the sources: so the library gets its name when
    it is whole. And other flags, another compiler or another release of Python make another library.
    """

    def build_extension(self, ext: Extension) -> None:
        self.refuse_without_headers()
        record = Path(self.build_temp, "made-with")
        made_with = repr((sys.version, self.compiler.compiler_so, ext.extra_compile_args, ext.extra_link_args))
        if not record.exists() or record.read_text(encoding="utf-8") != made_with:
            self.force = True
        link = self.compiler.link_shared_object

        def link_whole(objects: list[str], path: str, *args: object, **options: object) -> None:
            link(objects, path + ".part", *args, **options)
            os.replace(path + ".part", path)

        self.compiler.link_shared_object = link_whole
        try:
            super().build_extension(ext)
        finally:
            self.compiler.link_shared_object = link
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(made_with, encoding="utf-8")

    @staticmethod
    def refuse_without_headers() -> None:
        folder = sysconfig.get_path("include")
        if not os.path.exists(os.path.join(folder, "Python.h")):
            package = "python{}.{}-dev".format(*sys.version_info)
            raise SystemExit(f"Python's headers are not installed: no Python.h in {folder} (on Debian: {package})")


class BuildPyWithHook(build_py):
    """build_py that also copies the hook to the root of what gets installed.

    What an earlier build has copied is removed first: it may be of another version, or half a file.
    """

    def run(self) -> None:
        if not self.editable_mode:
            self.remove_copies()
        super().run()
        if not self.editable_mode:
            self.copy_file(self.hook_source(), os.path.join(self.build_lib, HOOK))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        if not self.editable_mode:
            outputs = [*outputs, os.path.join(self.build_lib, HOOK)]
        return outputs

    def remove_copies(self) -> None:
        for path in Path(self.build_lib, "ctracemalloc").rglob("*"):
            if path.suffix != ".so" and not path.is_dir():
                path.unlink()

    @staticmethod
    def hook_source() -> str:
        return os.path.join("python", HOOK)


class EditableWheelWithHook(editable_wheel):
    """An editable install gets the hook as well: in the wheel, beside setuptools' own .pth."""

    def _create_wheel_file(self, bdist_wheel):  # type: ignore[no-untyped-def]
        from zipfile import ZIP_DEFLATED, ZipFile

        path = super()._create_wheel_file(bdist_wheel)
        with ZipFile(path, "a", ZIP_DEFLATED) as wheel:
            wheel.write(BuildPyWithHook.hook_source(), HOOK)
        return path


FLAGS = [
    "-std=c11",
    "-O2",
    "-fvisibility=hidden",
    "-D_GNU_SOURCE",
    "-DCTM_EMBEDDED",  # no call of the core goes through a table
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
]
if os.environ.get("CTM_WERROR") == "1":
    FLAGS.append("-Werror")
# What is installed has no debug information and no symbol table: they are four fifths of the file. CTM_DEBUG=1 keeps both.
DEBUG = os.environ.get("CTM_DEBUG") == "1"
FLAGS.append("-g" if DEBUG else "-g0")
if os.environ.get("CTM_ASSERTS") == "1":  # the core's internal asserts: see src/libctm/base/assert.h
    FLAGS.append("-DCTM_ASSERTS")
STRIP = [] if DEBUG else ["-Wl,-s"]

if __name__ == "__main__":  # setuptools runs this file so; a test imports it
    refuse_unknown_system()
    setup(
        version=read_version(),
        long_description=read_page(),
        long_description_content_type="text/markdown",
        ext_modules=[
            Extension(
                "ctracemalloc._ctracemalloc",
                sources=find_sources(),
                depends=find_headers(),
                include_dirs=["include", "src/libctm", "src/pyext", *(ZYDIS_INCLUDES if HAS_DECODER else [])],
                define_macros=ZYDIS_MACROS if HAS_DECODER else [],
                extra_compile_args=[*FLAGS, *link_time_optimization()],
                # The allocator hooks outlive every module object: never unmap them.
                extra_link_args=[*link_time_optimization("-O2"), "-pthread", "-lrt", "-lm", "-Wl,-z,nodelete", *STRIP],
            )
        ],
        cmdclass={"build_ext": BuildExtWhole, "build_py": BuildPyWithHook, "editable_wheel": EditableWheelWithHook},
    )
