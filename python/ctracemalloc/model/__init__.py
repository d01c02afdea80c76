"""What reports consist of, as numbers. render turns them into text.

Model: the functions of this package accept objects of the public API (snapshots, recordings) and return tuples of numbers,
frames and tracebacks. No number is formatted here.
"""
