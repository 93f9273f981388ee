"""Sessions of Zenoh, which by themselves reach no further than this computer."""

import json

import zenoh

from perception.interchange.bus_uris import ZenohOptions

_ROUTER = "tcp/127.0.0.1:7447"


def open_session(options: ZenohOptions) -> zenoh.Session:
    """A peer that asks nobody on the network who is there. What it connects to may come, go and come back.

    Raises:
        zenoh.ZError: the file cannot be read, or it cannot listen there.
    """
    if options.config is not None:
        return zenoh.open(zenoh.Config.from_file(options.config))
    connect = options.connect or ("" if options.listen else _ROUTER)
    config = zenoh.Config()
    for key, value in {
        "mode": "peer",
        "connect/endpoints": [connect] if connect else [],
        "connect/timeout_ms": -1,  # it goes on trying
        "connect/exit_on_failure": False,
        "listen/endpoints": [options.listen] if options.listen else [],
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
    }.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)
