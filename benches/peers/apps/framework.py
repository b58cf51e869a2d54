"""The Flask application of the bench: one JSON view."""

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/json")
def as_json():
    """A small document."""
    return jsonify(message="Hello, World!", numbers=list(range(10)))
