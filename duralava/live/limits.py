"""The limits of the live server."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits that keep the server up for others, whatever a client does.

    A browser opens six connections to load a page, and keeps one.

    Attributes:
      connections: that are open at once.
      per_address: of these, those of one address. A class or a home whose network has
        one address to the outside shares them.
      seconds: after which a connection is closed if it has no new request; also the
        time in which a request must be complete and answered. Websockets stay open.
    """

    connections: int = 1_000
    per_address: int = 300
    seconds: float = 30.0
