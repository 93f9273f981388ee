"""Sessions of Zenoh, which by themselves reach no further than this computer."""

import json

import zenoh

from perception.interchange.buses.uris import ZenohOptions

_ROUTER = "tcp/127.0.0.1:7447"
_PATIENCE_MS = 500


def waits(options: ZenohOptions) -> bool:
    """Whether a session that cannot be opened now may be later: whom it connects to is not there yet."""
    return not options.listen and options.config is None


def open_session(options: ZenohOptions) -> zenoh.Session:
    """A client of whom it connects to, who may go and come back; or a peer that listens.

    It asks nobody on the network who is there. Peers that meet at a router do not reach each other through
    it, clients do.

    Raises:
        zenoh.ZError: the file cannot be read, it cannot listen there, or there is nobody to connect to.
    """
    if options.config is not None:
        return zenoh.open(zenoh.Config.from_file(options.config))
    connect = options.connect or ("" if options.listen else _ROUTER)
    config = zenoh.Config()
    for key, value in {
        "mode": "peer" if options.listen else "client",
        "connect/endpoints": [connect] if connect else [],
        "connect/timeout_ms": -1 if options.listen else _PATIENCE_MS,
        "listen/endpoints": [options.listen] if options.listen else [],
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
    }.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def reaches(session: zenoh.Session) -> bool:
    """Whether it is connected to anybody now."""
    return bool(session.info.routers_zid() or session.info.peers_zid())


def words(error: zenoh.ZError) -> str:
    """What went wrong, without where in Zenoh's sources."""
    return str(error).partition(" at /")[0]
