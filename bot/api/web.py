"""The HTTP frame of the door: every path and method is answered by it, and bodies have a limit."""

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from bot.api.door import LARGEST_BODY, Answer, Door
from bot.api.signature import Call


def build_web(door: Door) -> Flask:
    """The WSGI application."""
    web = Flask("ssm-api", static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    @web.errorhandler(HTTPException)
    def everything_else(_: HTTPException) -> Response:
        return _response(door.answer(_call(b"")))

    @web.route("/", methods=["POST"])
    def call() -> Response:
        try:
            body = request.get_data(cache=False)
        except RequestEntityTooLarge:
            body = bytes(LARGEST_BODY + 1)
        return _response(door.answer(_call(body), request.remote_addr or ""))

    return web


def _call(body: bytes) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.path, request.query_string.decode("latin-1"), headers, body)


def _response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, headers=dict(answer.headers))
