"""Flask: labels `route` and `method` for what its requests allocate.

Model: a WSGI middleware is around the application, so streamed responses have the labels too; Flask's signal request_started,
which comes before all handlers of the program, tells it the rule.
"""

from typing import Any

from . import wsgi


def label_requests(app: Any) -> None:
    """Label what a flask.Flask allocates for its requests: the route is the rule (`/orders/<int:id>`), or "other"."""
    from flask import request, request_started

    def on_request(sender: object, **_ignored: object) -> None:
        labelled = request.environ.get(wsgi.REQUEST)
        if labelled is not None and request.url_rule is not None:
            labelled.found(request.url_rule.rule)

    app.wsgi_app = wsgi.LabelMiddleware(app.wsgi_app)
    request_started.connect(on_request, app, weak=False)
