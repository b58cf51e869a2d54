"""Serves `MODULE` with fastwsgi: `run_fastwsgi.py MODULE PORT`."""

import importlib
import sys

import fastwsgi

fastwsgi.run(wsgi_app=importlib.import_module(sys.argv[1]).app, host="127.0.0.1", port=int(sys.argv[2]))
