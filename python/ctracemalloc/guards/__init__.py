"""Guards: one call each for what programs do by hand with a tracer. `ctracemalloc` has their names, and imports them late.

Model: a guard looks at the program from outside of the hooks: when it is called, or in a thread of its own (thread.py). It
changes nothing that the program can see: tracing is on or off as before, and what a guard allocates makes no peak.
"""
