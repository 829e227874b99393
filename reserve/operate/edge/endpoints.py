"""Where something answers, in Envoy's words."""

from typing import Any

type Configuration = dict[str, Any]


def endpoint(name: str, address: Configuration) -> Configuration:
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }


def address(host: str, port: int) -> Configuration:
    return {"socket_address": {"address": host, "port_value": port}}
