"""Views and their paths."""

from django.http import FileResponse, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path


def index(request):
    return HttpResponse("Hello from Django\n", content_type="text/plain")


def hello(request, name):
    return JsonResponse({"name": name, "path": request.path, "uri": request.build_absolute_uri(), "get": dict(request.GET)})


def form(request):
    files = {name: [item.name, item.content_type, item.size] for name, item in request.FILES.items()}
    return JsonResponse({"form": dict(request.POST), "files": files})


def body(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


def redirected(request):
    return HttpResponseRedirect("/hello/there/")


def cookies(request):
    response = JsonResponse(dict(request.COOKIES))
    response.set_cookie("first", "1")
    response.set_cookie("second", "2")
    return response


def session(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def stream(request):
    return StreamingHttpResponse((f"part {n}\n" for n in range(3)), content_type="text/plain")


def file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/x-python")


def meta(request):
    wanted = ("PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "REQUEST_METHOD", "SERVER_PROTOCOL", "HTTP_HOST")
    return JsonResponse({key: request.META.get(key) for key in wanted})


def error(request):
    raise RuntimeError("failure in a view")


urlpatterns = [
    path("", index),
    path("hello/<str:name>/", hello),
    path("form", form),
    path("body", body),
    path("redirect", redirected),
    path("cookies", cookies),
    path("session", session),
    path("stream", stream),
    path("file", file),
    path("meta", meta),
    path("error", error),
]
