"""Whose code a file is: the program's own, the standard library's, an installed package's, the import system's, the tracer's.

Model: a file name of a snapshot is a text. The file may be on another machine, so its path alone has to be enough; where it is
on this one, the folders of the interpreter (those of sysconfig) and the metadata of installed distributions make the answer
exact.
"""
