"""gunicorn-rs: the interpreter's side of the server. Start it with the command ``gunicorn-rs``."""
