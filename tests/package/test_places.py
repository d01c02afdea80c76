"""Whose code a file is, on this machine and on others; and what patterns match."""

import json
import os
import sys
import sysconfig
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from ctracemalloc.places.distributions import Distributions
from ctracemalloc.places.files import IMPORTS, INSTALLED, OWN, STDLIB, TRACER, UNKNOWN, CodeFile, CodeFiles, standard_folders
from ctracemalloc.places.patterns import Patterns


class OtherMachineTest(unittest.TestCase):
    """Paths that are not on this machine: they alone have to be enough."""

    def test_paths(self):
        for path, found in (
            ("/usr/lib/python3.11/json/decoder.py", (STDLIB, "json.decoder", "json")),
            ("/opt/py/lib64/python3.13t/asyncio/__init__.py", (STDLIB, "asyncio", "asyncio")),
            ("/usr/lib/python3.12/lib-dynload/_csv.cpython-312-x86_64-linux-gnu.so", (STDLIB, "_csv", "_csv")),
            ("/opt/app/python312.zip/json/decoder.py", (STDLIB, "json.decoder", "json")),
            ("/home/u/.local/share/uv/python/cpython-3.13-linux/lib/python3.13/enum.py", (STDLIB, "enum", "enum")),
            ("/usr/lib/python3.11/importlib/_bootstrap.py", (IMPORTS, "importlib._bootstrap", "importlib")),
            ("<frozen importlib._bootstrap_external>", (IMPORTS, "importlib._bootstrap_external", "importlib")),
            ("<frozen zipimport>", (IMPORTS, "zipimport", "zipimport")),
            ("<frozen runpy>", (STDLIB, "runpy", "runpy")),
            ("/usr/lib/python3/dist-packages/apt/cache.py", (INSTALLED, "apt.cache", "apt")),
            ("/srv/venv/lib/python3.12/site-packages/flask/app.py", (INSTALLED, "flask.app", "flask")),
            ("/srv/venv/lib/python3.12/site-packages/six.py", (INSTALLED, "six", "six")),
            (
                "/srv/venv/lib/python3.12/site-packages/ctracemalloc/run/begin.py",
                (TRACER, "ctracemalloc.run.begin", "ctracemalloc"),
            ),
            ("/usr/lib/python3.12/tracemalloc.py", (TRACER, "tracemalloc", "tracemalloc")),
            ("/srv/shop/main.py", (OWN, "main", "main")),
            ("/srv/shop/__main__.py", (OWN, "shop.__main__", "shop")),
            ("main.py", (OWN, "main", "main")),
            ("<string>", (OWN, "<string>", "<string>")),
            ("<ipython-input-3-8b1>", (OWN, "<ipython-input-3-8b1>", "<ipython-input-3-8b1>")),
            ("<unknown>", (UNKNOWN, "<unknown>", "<unknown>")),
            ("", (UNKNOWN, "", "")),
        ):
            with self.subTest(path):
                self.assertEqual(CodeFiles(folders=()).of(path), CodeFile(*found))

    def test_names_that_are_odd(self):
        for path in ("\0", "\ud83d.py", "/" * 300, "a" * 5000, "/\x1b[2J/x.py", "..", "/"):
            self.assertEqual(CodeFiles(folders=()).of(path).origin, OWN)

    def test_a_package_is_told_by_the_other_files_of_the_snapshot(self):
        names = {"/srv/shop/cart/__init__.py", "/srv/shop/cart/db/__init__.py", "/srv/shop/cart/db/query.py"}
        files = CodeFiles(names, folders=())
        self.assertEqual(files.of("/srv/shop/cart/db/query.py"), (OWN, "cart.db.query", "cart"))
        self.assertEqual(files.of("/srv/shop/cart/__init__.py"), (OWN, "cart", "cart"))
        self.assertEqual(files.of("/srv/shop/main.py"), (OWN, "main", "main"))


class ThisMachineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def write(self, name, text=""):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def test_the_standard_library(self):
        self.assertEqual(CodeFiles().of(json.decoder.__file__), (STDLIB, "json.decoder", "json"))
        self.assertEqual(CodeFiles().of(os.__file__), (STDLIB, "os", "os"))

    def test_folders_of_this_interpreter(self):
        paths = sysconfig.get_paths(vars={"platbase": sys.base_exec_prefix})  # of a venv: the folders are not in it
        expected = {os.path.realpath(paths[name]) + "/" for name in ("stdlib", "platstdlib")}
        self.assertLessEqual(expected, set(standard_folders()))

    def test_a_library_without_files(self):
        with mock.patch.object(os, "__file__", None):
            self.assertEqual(standard_folders(), ())

    def test_installed_packages(self):
        import pytest

        found = CodeFiles().of(pytest.__file__)
        self.assertEqual(found, (INSTALLED, "pytest", "pytest"), sys.path)

    def test_the_name_of_a_distribution_is_not_that_of_its_package(self):
        site = "lib/python3.13/site-packages"
        self.write(
            f"{site}/PyYAML-6.0.dist-info/RECORD",
            "yaml/__init__.py,sha256=x,1\nPyYAML-6.0.dist-info/RECORD,,\n../../../bin/x,,\n",
        )
        self.write(f"{site}/google_a-1.dist-info/RECORD", "google/a/__init__.py,,\n")
        self.write(f"{site}/google_b-1.dist-info/RECORD", '"google/b/__init__.py",,\n')
        files = CodeFiles()
        for name, package in (("yaml/loader.py", "PyYAML"), ("google/a/x.py", "google_a"), ("google/b/x.py", "google_b")):
            self.assertEqual(files.of(str(self.folder / site / name)).package, package)

    def test_packages_beside_the_program(self):
        """`pip install --target .`: what the metadata lists is installed, the rest is the program's own."""
        self.write("six-1.16.dist-info/RECORD", "six.py,,\n")
        six, own = self.write("six.py"), self.write("handler.py")
        package = self.write("app/__init__.py")
        files = CodeFiles()
        self.assertEqual(files.of(six), (INSTALLED, "six", "six"))
        self.assertEqual(files.of(own), (OWN, "handler", "handler"))
        self.assertEqual(files.of(package), (OWN, "app", "app"))

    def test_a_package_in_editable_mode_is_own_code(self):
        self.write("src/shop/__init__.py")
        module = self.write("src/shop/db.py")
        self.write("src/shop.egg-info/PKG-INFO")
        self.assertEqual(CodeFiles().of(module), (OWN, "shop.db", "shop"))

    def test_metadata_that_cannot_be_read(self):
        self.write("site-packages/a-1.dist-info/METADATA")
        (self.folder / "site-packages" / "b-1.dist-info").mkdir()
        (self.folder / "site-packages" / "b-1.dist-info" / "RECORD").mkdir()
        self.assertIsNone(Distributions().name(str(self.folder / "site-packages"), "a/x.py"))


class PatternsTest(unittest.TestCase):
    CODE = CodeFile(OWN, "shop.cart.db", "shop")

    def wants(self, include=(), exclude=()):
        return Patterns(include, exclude).wants("/srv/shop/cart/db.py", self.CODE, "Query.run")

    def test_include(self):
        for text in (
            "shop", "shop.cart", "shop.cart.db", "db.py", "cart/db.py", "./cart/db.py", "/srv/shop/cart/db.py", "/srv/shop/",
            "/srv/shop", "cart/", "run", "Query.run", "*db*", "/srv/*", "shop.*", "Query.*", "*.run", "shop.[bc]*",
        ):  # fmt: skip
            self.assertTrue(self.wants([text]), text)
            self.assertFalse(self.wants([], [text]), text)
        for text in ("sho", "cart", "cart.db", "b.py", "hop/cart/db.py", "/srv/sh", "Query", "un", "*x*", "srv/*", "db"):
            self.assertFalse(self.wants([text]), text)
            self.assertTrue(self.wants([], [text]), text)

    def test_both(self):
        self.assertTrue(self.wants(["none", "shop"], ["other"]))
        self.assertFalse(self.wants(["shop"], ["run"]))
        self.assertTrue(self.wants())
        self.assertFalse(Patterns((), ()))


if __name__ == "__main__":
    unittest.main()
