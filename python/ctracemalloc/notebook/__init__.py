"""In a notebook: the extension of IPython (`%load_ext ctracemalloc`), and how snapshots and statistics are shown there.

Model: the package asks a shell for what it needs by its public API, and imports nothing of IPython to do so. While a cell runs,
its blocks are in a scope of the whole process: IPython begins and ends an asynchronous cell in different contexts, and threads
that libraries start copy no context, so a scope of one context would have too little. What is shown is made when the scope has
ended, in own memory.
"""
