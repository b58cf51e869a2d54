"""A Django project in two modules."""
