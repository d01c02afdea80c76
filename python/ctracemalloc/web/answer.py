"""From a request to its answer, for all servers.

Model: `answer` never raises: what is refused and what goes wrong are answers, too. A mistake of this component, or of what it
reads, must not end a request of the program's server with a traceback that is somebody else's. What making an answer allocates
makes no new peak of the program (exempt.py).
"""

from collections.abc import Callable

from .._exempt import exempt
from .guard import check
from .loading import own_imports
from .messages import Answer, Refused, Request, Response
from .routes import Application


def answer(application: Application, request: Request) -> Answer:
    def begin() -> Answer:
        check(request, application.settings)
        return application.answer(request)

    begun = made(request, begin)
    if isinstance(begun, Response):
        return begun
    delayed = begun
    return delayed._replace(then=lambda: response_of(made(request, delayed.then)))


def response_of(found: Answer) -> Response:
    assert isinstance(found, Response), "an answer is delayed once"
    return found


def made(request: Request, make: Callable[[], Answer]) -> Answer:
    with exempt() as scope, own_imports():
        found = tried(make)
        if not isinstance(found, Response):
            return found
        response = finished(request, found)
        return response._replace(kept=scope.keep(response.body))


def tried(make: Callable[[], Answer]) -> Answer:
    try:
        return make()
    except Refused as refused:
        return refused.response
    except Exception as error:  # its text may have anything in it
        return Refused(500, f"the answer could not be made: {type(error).__name__}").response


def finished(request: Request, answered: Response) -> Response:
    """Without the body for HEAD, with its length."""
    if request.method != "HEAD":
        return answered
    return answered._replace(body=b"", length=len(answered.body))
