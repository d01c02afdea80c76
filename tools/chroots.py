"""Debian releases in folders of their own, for tests that need a machine other than this one.

Model: `make_folder()` puts a minimal Debian (debootstrap's `minbase`) into a folder, or copies it from a folder of masters
($CTM_MASTERS/bookworm and so on), which is never changed. `enter()` returns the command that runs another one inside, in a
mount namespace of its own where the system allows one, so that nothing stays mounted. Files are copied into the folder,
never bind-mounted, so that removing the folder cannot remove the sources. Everything needs root.
"""

import glob
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
APT = ["apt-get", "-q", "-o", "Acquire::Check-Valid-Until=no", "-o", "APT::Sandbox::User=root"]

INSIDE = """
mountpoint -q "$0/proc" || mount -t proc proc "$0/proc"
mountpoint -q "$0/dev/shm" || mount -t tmpfs tmpfs "$0/dev/shm"
[ -e "$0/dev/null" ] && [ -e "$0/dev/urandom" ] || mount --rbind /dev "$0/dev"
exec chroot "$0" "$@"
"""


class NotPossible(Exception):
    """This machine cannot make or enter such a folder."""


class Failed(Exception):
    """A command that should have worked did not."""


def check_possible():
    if os.geteuid() != 0:
        raise NotPossible("a chroot needs root")
    for program in ("chroot", "unshare"):
        if shutil.which(program) is None:
            raise NotPossible(f"{program} is not installed")


def call(command, log, **options):
    """Run a command with its output in the open file `log`."""
    log.write(("$ %s\n" % " ".join(map(str, command))).encode())
    log.flush()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(str(command[0]))} ended with status {done.returncode}")


# --- the folder ---


def master_of(suite, bare):
    """A folder to copy from, or None. `bare`: only one that has no Python."""
    masters = os.environ.get("CTM_MASTERS")
    if not masters:
        return None
    folder = Path(masters, suite)
    if not (folder / "usr" / "bin" / "apt-get").exists():
        return None
    if bare and glob.glob(str(folder / "usr" / "bin" / "python3*")):
        return None
    return folder


def make_folder(folder, suite, log, bare=False):
    """Put Debian's `suite` into `folder`, unless it exists."""
    check_possible()
    folder = Path(folder)
    if (folder / "usr" / "bin" / "apt-get").exists():
        return
    # An incomplete folder of a failed run must not look finished.
    scratch = folder.with_name(folder.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    master = master_of(suite, bare)
    if master:
        call(["cp", "-a", "--reflink=auto", master, scratch], log)
    else:
        if shutil.which("debootstrap") is None:
            raise NotPossible("debootstrap is not installed")
        call(["debootstrap", "--variant=minbase", suite, scratch, MIRROR], log)
    copy_network_files(scratch)
    os.rename(scratch, folder)


def copy_network_files(folder):
    """Copy the resolver's settings and the certificates of this machine, which programs inside need."""
    bundle = os.environ.get("SSL_CERT_FILE", BUNDLE)
    target = Path(folder) / BUNDLE[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    for source, copy in ((bundle, target), ("/etc/resolv.conf", Path(folder, "etc", "resolv.conf"))):
        if os.access(source, os.R_OK):
            copy.unlink(missing_ok=True)
            shutil.copyfile(source, copy)


def apt_get(folder, arguments, log):
    call(enter(folder, ["env", "DEBIAN_FRONTEND=noninteractive", *APT, *arguments]), log)


def has_package(folder, package):
    """Does the release have it? Needs `apt_get(folder, ["update"], …)` first."""
    done = subprocess.run(enter(folder, ["apt-cache", "show", package]), capture_output=True, text=True)
    return done.returncode == 0 and bool(done.stdout.strip())


def install(folder, packages, log):
    apt_get(folder, ["install", "-y", "--no-install-recommends", *packages], log)
    # The package ca-certificates has written its own bundle.
    copy_network_files(folder)


# --- what is done in it ---


def environment(more=None):
    """The environment of a command inside: only the proxies of this machine's environment."""
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {
        **kept,
        "PATH": PATH,
        "HOME": "/root",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PIP_CERT": BUNDLE,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        **(more or {}),
    }


def enter(folder, command, cwd="/", env=None):
    """The command that runs `command` inside."""
    words = [f"{name}={value}" for name, value in environment(env).items()]
    inside = ["env", "-i", *words, "sh", "-c", 'cd "$0" && exec "$@"', cwd, *command]
    return ["unshare", "--mount", "sh", "-c", INSIDE, str(folder), *inside]


def copy_tree(source, target):
    """Copy the sources as they are now, without build products; the folder `build` in the target stays."""
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    for entry in target.iterdir():
        if entry.name == "build":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    left_out = [f"--exclude={name}" for name in ("./build", "./.git", "__pycache__")]
    packed = subprocess.Popen(["tar", "-C", str(source), *left_out, "-cf", "-", "."], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=packed.stdout, mode="r|") as tar:
        options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
        tar.extractall(target, **options)
    if packed.wait() != 0:
        raise Failed("the sources could not be copied")
