"""Applications under all the names that a command line may give them."""

import loaded
from probe import reply

loaded.announce()


def make(name="plain"):
    """A WSGI application that answers `name`."""
    return lambda environ, start_response: reply(start_response, name)


def create(name, debug=False):
    """A factory with arguments."""
    return make(f"factory {name} debug={debug}")


class Holder:
    """An application as an attribute of an object."""

    app = staticmethod(make("attribute"))


holder = Holder()
application = make("application")
text = "not callable"
