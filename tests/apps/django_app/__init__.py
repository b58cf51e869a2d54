"""A Django project small enough to read at once."""
