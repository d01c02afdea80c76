"""Builds CPython from Debian's source package with the options of one row of the table in members.py.

Model: the folder of the zoo ($CTM_ZOO, or build/zoo) has `sources/` with the archives, and for each built member
a folder of its name with the installation (`bin/python3.X`). `built.txt` in that folder is written last and has
everything that determines what was built; a member is built anew when its text would be different. The log is
`logs/NAME-build.log`.

usage: build.py NAME [NAME…]        build only these members
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import members

ROOT = Path(__file__).resolve().parent.parent.parent
NICE = ["nice", "-n", "10"]


class NotPossible(Exception):
    """A member cannot be built here, for a reason outside the member."""


class BuildFailed(Exception):
    """A member should have been built, but the build failed."""


def zoo_folder():
    folder = Path(os.environ.get("CTM_ZOO") or ROOT / "build" / "zoo").resolve()
    for name in ("sources", "logs", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


# --- sources ---


def sum_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def download(source, target):
    """True if the archive could be downloaded; apt-helper compares the sum."""
    helper = "/usr/lib/apt/apt-helper"
    if not os.path.exists(helper):
        raise NotPossible("no apt-helper to download Debian's source packages with (package apt)")
    command = [helper, "-q", "download-file", members.POOL + source.path, str(target), "SHA256:" + source.sha256]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        target.unlink(missing_ok=True)
    return done.returncode == 0


def source_archive(version):
    """The archive of the newest source package that is available."""
    sources = members.SOURCES[version]
    if not sources:
        raise NotPossible(f"Debian has no source package of Python {version} any more")
    for source in sources:
        target = zoo_folder() / "sources" / os.path.basename(source.path)
        if target.exists() and sum_of(target) == source.sha256:
            return target
        if download(source, target):
            return target
    names = ", ".join(os.path.basename(source.path) for source in sources)
    raise NotPossible(f"the mirror does not have {names}")


# --- one build ---


def compiler_flags(build):
    return [
        build.level,
        "-fcf-protection=" + {"cf": "full", "nocf": "none"}[build.protection],
        {"fp": "-fno-omit-frame-pointer", "nofp": "-fomit-frame-pointer"}[build.frames],
    ]


def configure_line(member, prefix):
    """The variables to add to the environment, and the command."""
    build = member.build
    env = {
        "CC": build.compiler,
        "OPT": "-DNDEBUG -fwrapv -Wall",
        "CFLAGS": " ".join(compiler_flags(build)),
        "LDFLAGS": f"-Wl,-rpath,{prefix}/lib" if build.link == "shared" else "",
    }
    command = ["./configure", f"--prefix={prefix}", "--disable-test-modules", "--with-ensurepip=no"]
    if build.lto == "lto":
        command.append("--with-lto=full")
    if build.link == "shared":
        command.append("--enable-shared")
    return env, command


def compiler_version(compiler):
    done = subprocess.run([compiler, "--version"], stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[0]


# What pip and numpy need from the Python that runs them, and Debian's packages of the headers.
HEADERS = {"zlib.h": "zlib1g-dev", "openssl/ssl.h": "libssl-dev", "ffi.h": "libffi-dev"}


def check_headers(compiler):
    lacking = []
    for header, package in HEADERS.items():
        command = [compiler, "-E", "-xc", "-"]
        done = subprocess.run(command, input=f"#include <{header}>\n", capture_output=True, text=True)
        if done.returncode != 0:
            lacking.append(package)
    if lacking:
        raise NotPossible("building CPython needs packages: " + " ".join(lacking))


def check_compiler(build):
    if shutil.which(build.compiler) is None:
        raise NotPossible(f"{build.compiler} is not installed")
    if build.compiler == "clang" and build.lto == "lto" and not shutil.which("llvm-ar"):
        raise NotPossible("clang's link-time optimization needs llvm-ar (package llvm)")
    check_headers(build.compiler)


def description(member, archive, prefix):
    env, command = configure_line(member, prefix)
    words = [f"{name}={value}" for name, value in env.items()] + command
    return f"{archive.name}\n{compiler_version(member.build.compiler)}\n" + "\n".join(words) + "\n"


def interpreter(member):
    return zoo_folder() / member.name / "bin" / ("python" + member.version)


def is_built(member):
    return (zoo_folder() / member.name / "built.txt").exists()


def built(member):
    """The path of the member's interpreter, which is built if it does not exist."""
    check_compiler(member.build)
    archive = source_archive(member.version)
    prefix = zoo_folder() / member.name
    stamp, wanted = prefix / "built.txt", description(member, archive, prefix)
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter(member)
    work = zoo_folder() / "work" / member.name
    # Also removes the files of an interrupted build.
    for folder in (prefix, work):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir()
    try:
        make(member, archive, prefix, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    stamp.write_text(wanted)
    return interpreter(member)


def make(member, archive, prefix, work):
    log_path = zoo_folder() / "logs" / (member.name + "-build.log")
    with open(log_path, "wb") as log:
        unpack(archive, work)
        env, configure = configure_line(member, prefix)
        source = next(work.iterdir())
        run(configure, source, log, {**env, "PATH": os.environ["PATH"], "HOME": str(work)})
        run(["make", "-j2"], source, log)
        run(["make", "altbininstall", "inclinstall", "libainstall", "sharedinstall"], source, log)
        install_library(source, prefix / "lib" / ("python" + member.version))


def install_library(source, target):
    """Like `make libinstall`, without compiling all modules three times, which takes as long as the rest."""
    ignored = shutil.ignore_patterns("test", "tests", "idlelib", "__pycache__")
    shutil.copytree(source / "Lib", target, ignore=ignored, dirs_exist_ok=True)
    built = source / (source / "pybuilddir.txt").read_text().strip()
    for path in (*built.glob("_sysconfig*"), *built.glob("build-details.json")):
        shutil.copy2(path, target)


def unpack(archive, work):
    with tarfile.open(archive) as tar:
        options = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        tar.extractall(work, **options)


def run(command, folder, log, env=None):
    log.write(("$ %s\n" % " ".join(command)).encode())
    log.flush()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MAKE", "MFLAGS"))}
    done = subprocess.run(
        NICE + command, cwd=folder, env=env or clean, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        raise BuildFailed(f"{command[0]} ended with status {done.returncode}: see {log.name}")


def main(names):
    by_name = {member.name: member for member in members.all_members()}
    for name in names:
        try:
            print(name, built(by_name[name]), flush=True)
        except (NotPossible, BuildFailed) as error:
            print(name, "NOT BUILT:", error, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
