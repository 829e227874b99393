"""Envoy itself: where its program is, and how a process becomes it."""

import os
import resource
import sys
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import msgspec

from reserve.operate.edge import draining
from reserve.operate.edge.configuration import Edge, callers_of, configuration, encoded
from reserve.operate.edge.limits import Issuer
from shared.engines.private_files import private_folder, write_private
from shared.settings import Settings

LOGGED_WITHIN_MS = 1000
WORKERS = 2  # threads that carry requests; more gain nothing beside the services on the machines that this is for


def command(configuration: Path, admin_socket: str, workers: int = WORKERS) -> tuple[str, ...]:
    """The arguments of a process that serves `configuration` until SIGTERM, and then answers whom it has let in. There is one at a time:
    nothing is handed over to another."""
    pace = ("--concurrency", str(workers), "--file-flush-interval-msec", str(LOGGED_WITHIN_MS), "--drain-strategy", "immediate")
    alone = (sys.executable, "-I", "-S", draining.__file__, admin_socket)  # of the standard library: it takes 10 MB
    return (*alone, envoy(), "--config-path", str(configuration), *pace, "--disable-hot-restart", "--log-level", "warning")


def envoy() -> str:
    """The program. Raises ModuleNotFoundError where the image comes without one."""
    return str(files("envoy") / "_bin" / "envoy")


def become_envoy(settings: Settings, port: int | None) -> NoReturn:
    """This process keeps Envoy from here on, in front of `settings.service_urls`. Its files are in a private folder of the data folder."""
    folder = private_folder(settings.data_dir.absolute() / "edge")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a file
    edge = edge_of(settings, settings.port if port is None else port)
    if most != resource.RLIM_INFINITY:
        edge = msgspec.structs.replace(edge, callers=callers_of(most, len(edge.upstreams)))
    write_private(file := folder / "envoy.json", encoded(configuration(edge)))
    os.chdir(folder)  # a socket's path is short
    arguments = command(file, edge.admin_socket)
    os.execv(arguments[0], arguments)  # noqa: S606


def edge_of(settings: Settings, port: int) -> Edge:
    return Edge(
        host=settings.host,
        port=port,
        internal_host=settings.host,
        internal_port=settings.internal_port,
        admin_socket="admin.sock",
        certificate="" if settings.tls_certificate is None else str(settings.tls_certificate.absolute()),
        key="" if settings.tls_key is None else str(settings.tls_key.absolute()),
        upstreams={name: url for name, url in settings.service_urls.items() if name != "edge"},
        issuer=Issuer(settings.issuer, settings.audience, settings.jwks_url),
        rates=settings,
    )
