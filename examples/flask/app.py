"""A Flask application: `gunicorn-rs app:app --workers 4`."""

import os

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    """The start page; reload it to see the workers take turns."""
    return f"Hello from worker {os.getpid()}\n"


@app.get("/json")
def as_json():
    """A small JSON document."""
    return jsonify(message="Hello, World!")


@app.post("/echo")
def echo():
    """What was posted: a form, or JSON."""
    return jsonify(json=request.get_json(silent=True), form=request.form.to_dict())
