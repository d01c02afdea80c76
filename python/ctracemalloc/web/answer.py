"""From a request to its answer, for all servers.

Model: `answer` never raises: what is refused and what goes wrong are answers, too. A mistake of this component, or of what it
reads, must not end a request of the program's server with a traceback that is somebody else's.
"""

from collections.abc import Callable

from .guard import check
from .messages import Answer, Delayed, Refused, Request, Response
from .routes import Application


def answer(application: Application, request: Request) -> Answer:
    def begin() -> Answer:
        check(request, application.settings)
        return application.answer(request)

    begun = made(begin)
    if isinstance(begun, Response):
        return finished(request, begun)
    delayed = begun
    return Delayed(delayed.seconds, lambda: finished(request, made(delayed.then)))


def made(make: Callable[[], Answer]) -> Answer:
    try:
        return make()
    except Refused as refused:
        return refused.response
    except Exception as error:  # its text may have anything in it
        return Refused(500, f"the answer could not be made: {type(error).__name__}").response


def finished(request: Request, answered: Answer) -> Response:
    """Without the body for HEAD, with its length."""
    assert isinstance(answered, Response), "an answer is delayed once"
    if request.method != "HEAD":
        return answered
    return answered._replace(body=b"", length=len(answered.body))
