"""Flask: labels `route` and `method` for what its requests allocate.

Model: a WSGI middleware is around the application, so streamed responses have the labels too; Flask's signal request_started,
which comes before all handlers of the program, tells it the rule.
"""

from typing import Any

from .._ctracemalloc import is_tracing
from . import wsgi


def label_requests(app: Any) -> None:
    """Label what a flask.Flask allocates for its requests: the route is the rule (`/orders/<int:id>`), or "other"."""
    from flask import request, request_started

    def on_request(sender: object, **_ignored: object) -> None:
        if not is_tracing():
            return
        present = request._get_current_object()  # once, as each look through the proxy takes time
        labelled = present.environ.get(wsgi.REQUEST)
        if labelled is not None and present.url_rule is not None:
            labelled.found(present.url_rule.rule)

    app.wsgi_app = wsgi.LabelMiddleware(app.wsgi_app)
    request_started.connect(on_request, app, weak=False)
