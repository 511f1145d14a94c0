"""Read your writes across requests, for WSGI applications (Flask, Django, Pyramid)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.integrations.cookies import TokenCarrier
from erm_alembic.routing.scope import CausalScope

__all__ = ["CausalMiddleware"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class CausalMiddleware:
    """Lets each request see what the requests of the same client before it have written.

    A commit that happens after the response has begun is not in its token.

    Args:
        app: the application.
        cluster: whose commits count.
        secret: what the cookie is signed with: one secret, or several, of which the first signs.
        options: `cookie`, `header` and `max_age`, as `TokenCarrier` takes them.

    Raises:
        ConfigurationError: there is no secret, or `itsdangerous` is not installed.

    Example:
        >>> from erm_alembic.routing import connect_cluster
        >>> cluster = connect_cluster("postgresql://app@db/shop")
        >>> def app(environ, start_response): ...
        >>> app = CausalMiddleware(app, cluster=cluster, secret="a long random text")
    """

    def __init__(self, app: Application, *, cluster: Cluster, secret: str | list[str], **options: Any) -> None:
        self._app, self._cluster = app, cluster
        self._carrier = TokenCarrier([secret] if isinstance(secret, str) else secret, **options)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        name = self._carrier.header
        header = None if name is None else environ.get("HTTP_" + name.upper().replace("-", "_"))
        work = CausalScope(self._cluster, self._carrier.read(environ.get("HTTP_COOKIE", ""), header))

        def start_with_token(status: str, headers: list[tuple[str, str]], *others: Any) -> Any:
            token = work.token()
            if token is not None:
                secure = environ.get("wsgi.url_scheme") == "https"
                headers = [*headers, *self._carrier.headers(token, secure=secure)]
            return start_response(status, headers, *others)

        work.__enter__()
        try:
            return _Parts(self._app(environ, start_with_token), work)
        except BaseException:
            work.__exit__(None, None, None)
            raise


class _Parts:
    """The parts of a response, made within the scope of the request, which ends when the server closes them."""

    def __init__(self, parts: Iterable[bytes], work: CausalScope) -> None:
        self._parts, self._work = parts, work

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        """Called by the server when the response is over, sent or not."""
        try:
            close: Callable[[], None] | None = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._work.__exit__(None, None, None)
