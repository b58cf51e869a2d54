"""The FastAPI application of the bench: one JSON view."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/json")
async def as_json():
    """A small document."""
    return {"message": "Hello, World!", "numbers": list(range(10))}
