"""Django's ASGI handler, in one file: the routes that every framework's application of these tests has.

Django has neither a lifespan nor background tasks nor WebSocket.
"""

import asyncio
import json

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

import loaded

settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of the tests")
django.setup()


async def as_json(request, number):
    facts = {"number": number, "q": request.GET.get("q", ""), "token": request.headers.get("x-token", "")}
    return JsonResponse(facts)


def in_a_thread(request):
    return JsonResponse({"thread": True})


async def items(request):
    return JsonResponse(json.loads(request.body))


async def form(request):
    return JsonResponse({"name": request.POST["name"], "age": int(request.POST["age"])})


async def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": file.size})


async def stream(request):
    async def parts():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def events(request):
    async def parts():
        number = 0
        try:
            while True:
                yield f"data: {number}\n\n"
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("events are over", flush=True)

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


def file(request):
    return FileResponse(open(__file__, "rb"))


async def error(request):
    raise RuntimeError("an error of the view")


async def teapot(request):
    return HttpResponse("short and stout", status=418)


urlpatterns = [
    path("json/<int:number>", as_json),
    path("threads", in_a_thread),
    *[path(view.__name__, view) for view in (items, form, upload, stream, events, file, error, teapot)],
]
app = get_asgi_application()
loaded.announce()
