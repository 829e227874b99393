"""Prints what Envoy is told in front of the services that the environment names: `deploy/edge/envoy.json`, by compose's."""

import sys

from reserve.operate.edge.configuration import configuration, encoded
from reserve.operate.edge.program import edge_of
from reserve.operate.production import Refused, refuse_in_production
from shared.settings import Settings

settings = Settings()
try:
    refuse_in_production("edge", settings)
except Refused as refused:
    print(refused, file=sys.stderr)
    sys.exit(2)
sys.stdout.buffer.write(encoded(configuration(edge_of(settings, settings.port))))
