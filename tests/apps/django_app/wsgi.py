"""The entry that `gunicorn django_app.wsgi` names."""

import os

import loaded
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_app.settings")
application = get_wsgi_application()
loaded.announce()
