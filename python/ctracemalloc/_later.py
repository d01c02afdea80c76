"""The names of the package that are imported when they are used first, because they are made of its public API.

Model: what the import allocates is the package's own (_exempt.py), so that it is no part of what a guard or a notebook then
shows, whoever allocates it: the import system, and modules of the standard library. It is in a context of its own, so that it
has no labels and is in no scope of the program, which may use a name first within those.
"""

from ._ctracemalloc import _exempt_finish, _exempt_start, _own_finish, _own_start

MODULES = {
    "assert_no_growth": "guards.growth",
    "current_labels": "labelling",
    "display_top": "guards.display",
    "dump_on_oom": "guards.oom",
    "dump_on_signal": "guards.signals",
    "labels": "labelling",
    "load_ipython_extension": "notebook.extension",
    "mark": "labelling",
    "on_limit": "guards.limit",
    "scope": "scopes",
    "unload_ipython_extension": "notebook.extension",
    "watch": "guards.watching",
    "where": "guards.birth",
}
PRIVATE = {  # no names of the package
    "automatic_labels": "automatic_labels",
    "name_threads": "automatic_labels",
    "scope_html": "notebook.reprs",
    "snapshot_html": "notebook.reprs",
}


def imported(package: str, name: str, kept: dict[str, object] | None = None) -> object:
    """The value of a name in MODULES or PRIVATE. kept: names of a module, of which it then is one."""
    is_exempt, is_own = _exempt_start(), _own_start()  # as _exempt.py does, which would be imported before
    try:
        from _contextvars import Context

        module = Context().run(__import__, f"{package}.{MODULES.get(name) or PRIVATE[name]}", None, None, [name])
        found = vars(module)[name]
        if kept is not None:
            kept[name] = found
        return found
    finally:
        if is_own:
            _own_finish()
        if is_exempt:
            _exempt_finish(0)
