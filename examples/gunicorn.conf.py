"""A configuration in Python, as gunicorn reads it: `gunicorn-rs --config gunicorn.conf.py`.

A file of this name in the working directory is read without the option. Names that are no setting are ignored.
"""

import os

wsgi_app = "app:app"
bind = ["127.0.0.1:8000", "unix:/tmp/example.sock"]
workers = int(os.environ.get("WEB_CONCURRENCY", 2 * len(os.sched_getaffinity(0)) + 1))
preload_app = True

# A worker that is silent for longer is replaced; its request and its Python stack are in the log.
timeout = 30
graceful_timeout = 30
max_requests = 10_000
max_requests_jitter = 1_000

accesslog = "-"
errorlog = "-"
loglevel = "info"
