from setuptools import Extension, setup

setup(name="bench-floor", version="1", ext_modules=[Extension("bench_floor", ["bench_floor.c"])])
