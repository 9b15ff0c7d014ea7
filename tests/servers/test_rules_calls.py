"""What code goes on to call: an application behind a second server, under any name."""

import functools

import pytest

from tests.servers.test_rules import GUARD, is_guard
from threadguard.rules.calls import calls
from threadguard.rules.reach import Reach


class Odd:
    """Keeps an application under a name that no server uses."""

    kind = "odd"

    def __init__(self, thing):
        self.mercurial = thing
        self.places = {"/": [("prefix", thing)]}

    def __call__(self, environ, start_response):
        return self.mercurial(environ, start_response)

    def through_itself(self, environ, start_response):
        return self(environ, start_response)

    def through_a_property(self, environ):
        return self.repository(environ)

    @property
    def repository(self):
        return self.mercurial

    def in_a_table(self, environ):
        return [app(environ) for _, app in self.places[environ["x"]]]

    @staticmethod
    def without_itself(environ):
        return GUARD(environ, None)

    @classmethod
    def of_the_class(cls, environ):
        return cls.without_itself(environ)

    def counts(self):
        return self.mercurial.stats

    def words(self):
        return self.kind.upper()


class Inherited(Odd):
    """Its function is another class's."""


class View:
    """A class that is called for each request."""

    def get(self):
        return GUARD({}, None)


def imports_the_module():
    from tests.servers import test_rules
    return test_rules.GUARD({}, None)


def imports_the_name():
    from tests.servers.test_rules import GUARD as application
    return application({}, None)


def imports_a_package():
    import tests.servers.test_rules
    return tests.servers.test_rules.GUARD({}, None)


def imports_and_asks():
    from tests.servers import test_rules
    return test_rules.GUARD.stats


def with_a_default(app=GUARD):
    return app({}, None)


def of_an_outer_function(app):
    def inner(environ):
        return app(environ)
    return inner


@pytest.mark.parametrize("thing", [
    pytest.param(Odd(GUARD), id="an attribute of the object that is called"),
    pytest.param(Inherited(GUARD), id="the same, by a function of the class above"),
    pytest.param(Odd(GUARD).through_itself, id="a method that calls the object"),
    pytest.param(Odd(GUARD).through_a_property, id="a property"),
    pytest.param(Odd(GUARD).in_a_table, id="a table"),
    pytest.param(Odd(None).without_itself, id="a static method"),
    pytest.param(Odd(None).of_the_class, id="a method of the class"),
    pytest.param(View, id="a class"),
    pytest.param(imports_the_module, id="a module imported in the function"),
    pytest.param(imports_the_name, id="a name imported in the function"),
    pytest.param(imports_a_package, id="a package imported in the function"),
    pytest.param(with_a_default, id="a default"),
    pytest.param(of_an_outer_function(Odd(GUARD)), id="a variable of an outer function"),
    pytest.param(functools.partial(len, Odd(GUARD)), id="an argument of a partial"),
])
def test_what_is_called_leads_to_the_application_under_any_name(thing):
    """An object leads to what its code calls, hands on or goes through."""
    assert calls([thing], is_guard, Reach(is_guard))


@pytest.mark.parametrize("thing", [
    pytest.param(Odd(None), id="no application"),
    pytest.param(Odd(GUARD).counts, id="counts of the application"),
    pytest.param(Odd(GUARD).words, id="a method that does something else"),
    pytest.param(imports_and_asks, id="counts of an application that is imported"),
])
def test_what_is_only_asked_is_not_called(thing):
    """To ask an application for its counts is not to serve it; nor to have it and do something else."""
    assert not calls([thing], is_guard, Reach(is_guard))
