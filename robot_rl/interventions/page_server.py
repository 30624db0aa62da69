"""A small web server on a thread of its own: bound to localhost, opened with a token."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from robot_rl.errors import HardwareError, MissingPackageError

_START_TIMEOUT_S = 10.0


class PageServer:
    """Serves the page `html` (package, file) at /, and `routes` by method and path.

    Every handler begins with `require_token`. `remedy` says how another port is chosen.
    """

    def __init__(
        self,
        html: tuple[str, str],
        routes: Mapping[tuple[str, str], Callable[[Any], Any]],
        largest_bytes: int,
        remedy: str,
        host: str = "127.0.0.1",
        port: int = 8090,
        token: str = "",
    ) -> None:
        try:
            import aiohttp.web
        except ImportError as error:
            raise MissingPackageError("aiohttp", "pip install 'robot-rl[teleop]'") from error
        self.web = aiohttp.web
        self._html, self._routes = html, routes
        self._largest_bytes, self._remedy = largest_bytes, remedy
        self._host, self._port = host, port
        self.token = token or secrets.token_urlsafe(16)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._serve, name=f"page {html[1]}", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/?token={self.token}"

    def start(self) -> None:
        """Returns once the page answers. Raises `HardwareError` where the port is taken."""
        self._thread.start()
        self._started.wait(_START_TIMEOUT_S)
        if self._error is not None:
            raise HardwareError(
                f"the web page cannot listen on {self._host}:{self._port} "
                f"({self._error.strerror}). Choose another port: {self._remedy}."
            )

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=2.0)

    def require_token(self, request: Any) -> None:
        given = request.query.get("token", "")
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            raise self.web.HTTPForbidden(text="open the address that was printed, with its token")

    def require_origin(self, request: Any) -> None:
        """A page of another site must not speak through this browser."""
        origin = request.headers.get("Origin", "")
        if urlsplit(origin).netloc != request.host:
            raise self.web.HTTPForbidden(text=f"origin {origin or 'missing'} is not this page")

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = self.web.Application(client_max_size=self._largest_bytes)
        app.router.add_get("/", self._page)
        for (method, path), handler in self._routes.items():
            app.router.add_route(method, path, handler)
        runner = self.web.AppRunner(app, access_log=None)
        try:
            self._loop.run_until_complete(runner.setup())
            site = self.web.TCPSite(runner, self._host, self._port)
            self._loop.run_until_complete(site.start())
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._port = runner.addresses[0][1]
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _page(self, request: Any) -> Any:
        self.require_token(request)
        package, name = self._html
        html = files(package).joinpath(name).read_text()
        headers = {
            "Content-Security-Policy": "default-src 'self' 'unsafe-inline' blob: data:; "
            "connect-src 'self'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return self.web.Response(text=html, content_type="text/html", headers=headers)
