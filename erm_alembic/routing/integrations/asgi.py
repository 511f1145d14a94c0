"""Read your writes across requests, for ASGI applications (FastAPI, Starlette, Django)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.deciding.waiting import in_thread
from erm_alembic.routing.integrations.cookies import TokenCarrier
from erm_alembic.routing.scope import CausalScope

__all__ = ["CausalMiddleware"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


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
        >>> async def app(scope, receive, send): ...
        >>> app = CausalMiddleware(app, cluster=cluster, secret="a long random text")
    """

    def __init__(self, app: Application, *, cluster: Cluster, secret: str | list[str], **options: Any) -> None:
        self._app, self._cluster = app, cluster
        self._carrier = TokenCarrier([secret] if isinstance(secret, str) else secret, **options)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name = self._carrier.header
        cookies = _joined(scope["headers"], "cookie", "; ") or ""
        token = self._carrier.read(cookies, None if name is None else _joined(scope["headers"], name, ", "))
        with CausalScope(self._cluster, token) as work:

            async def send_with_token(message: Message) -> None:
                if message["type"] == "http.response.start":
                    # Asked on a thread of its own: the loop goes on.
                    written = await in_thread(work.token)
                    if written is not None:
                        secure = scope.get("scheme") == "https"
                        added = self._carrier.headers(written, secure=secure)
                        message["headers"] = [
                            *message.get("headers", ()),
                            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in added),
                        ]
                await send(message)

            await self._app(scope, receive, send_with_token)


def _joined(headers: Iterable[tuple[bytes, bytes]], name: str, separator: str) -> str | None:
    """What a request has by a header's name, of which HTTP/2 sends one for each cookie; None where it has none."""
    wanted = name.lower().encode("latin-1")
    found = [value.decode("latin-1") for key, value in headers if key.lower() == wanted]
    return separator.join(found) if found else None
