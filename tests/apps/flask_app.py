"""A Flask application that uses what Flask applications use."""

import loaded
from flask import Flask, Response, jsonify, make_response, redirect, request, send_file, stream_with_context, url_for

app = Flask(__name__)
app.secret_key = "not a secret: tests only"


@app.get("/")
def index():
    return "Hello from Flask\n"


@app.get("/json")
def as_json():
    return jsonify(message="h\xe9llo", numbers=[1, 2, 3], nested={"a": None})


@app.get("/hello/<name>")
def hello(name):
    return jsonify(name=name, path=request.path, url=request.url, root=request.script_root)


@app.get("/query")
def query():
    return jsonify({key: request.args.getlist(key) for key in request.args})


@app.post("/form")
def form():
    return jsonify(form=request.form.to_dict(flat=False), type=request.mimetype, length=request.content_length)


@app.post("/upload")
def upload():
    files = {name: [item.filename, item.mimetype, len(item.read())] for name, item in request.files.items()}
    return jsonify(files=files, form=request.form.to_dict())


@app.post("/body")
def body():
    return jsonify(request.get_json())


@app.get("/redirect")
def redirected():
    return redirect(url_for("hello", name="there"))


@app.get("/cookies")
def cookies():
    response = make_response(jsonify(dict(request.cookies)))
    response.set_cookie("first", "1")
    response.set_cookie("second", "two; quoted")
    return response


@app.get("/session")
def session_counter():
    from flask import session

    session["visits"] = session.get("visits", 0) + 1
    return jsonify(visits=session["visits"])


@app.get("/stream")
def stream():
    return Response(stream_with_context(f"{request.args['word']} {n}\n" for n in range(3)), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(__file__, mimetype="text/x-python", conditional=True)


@app.get("/error")
def error():
    raise RuntimeError("failure in a view")


loaded.announce()
