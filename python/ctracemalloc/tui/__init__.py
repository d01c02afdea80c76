"""Views on a terminal that answer to keys: the live view of `top`, and the call tree of `tree`.

Model: a *page* (page.py) is what a terminal shows: it has lines of text with roles, and takes keys and clicks. Pages draw from
the model and know no library. app.py alone imports textual, hosts one page after the other, and is imported when a view opens.
sources.py reads what the live view shows.
"""
