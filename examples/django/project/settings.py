"""The least settings a Django project can have, and its only page."""

import os

from django.http import HttpResponse
from django.urls import path

SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = __name__


def index(request):
    """The start page."""
    return HttpResponse(f"Hello from worker {os.getpid()}\n", content_type="text/plain")


urlpatterns = [path("", index)]
