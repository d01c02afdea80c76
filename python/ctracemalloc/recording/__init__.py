"""Recordings: memory over time in a file. writing.py makes them, reading.py reads them."""
