"""Settings of the test project: no database, signed cookies as sessions."""

SECRET_KEY = "not a secret: tests only"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_app.urls"
INSTALLED_APPS = []
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.contrib.sessions.middleware.SessionMiddleware"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
USE_TZ = True
LOGGING_CONFIG = None
