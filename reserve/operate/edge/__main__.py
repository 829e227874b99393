"""Prints what Envoy is told in front of the services that the environment names: `deploy/edge/envoy.json`, by compose's."""

import sys

from reserve.operate.edge.configuration import configuration, encoded
from reserve.operate.edge.program import edge_of
from shared.settings import Settings

settings = Settings()
sys.stdout.buffer.write(encoded(configuration(edge_of(settings, settings.port))))
