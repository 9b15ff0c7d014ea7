"""One table serves keywords, ini strings and environment variables."""

import math

import pytest

from threadguard import OptionError, ThreadGuard, options


def app(environ, start_response):
    raise AssertionError("not called")


@pytest.mark.parametrize("option, value, allowed", [
    ("policy", "refused", "one of refuse, serialize, log"),
    ("policy", None, "one of refuse, serialize, log"),
    ("serialize_timeout", "soon", "a number of seconds greater than 0"),
    ("serialize_timeout", 0, "a number of seconds greater than 0"),
    ("serialize_timeout", math.inf, "a number of seconds greater than 0"),
    ("serialize_timeout", math.nan, "a number of seconds greater than 0"),
    ("serialize_timeout", True, "a number of seconds greater than 0"),
    ("server_threads", 0, "a whole number of 1 or more"),
    ("server_threads", 1.5, "a whole number of 1 or more"),
    ("server_threads", "four", "a whole number of 1 or more"),
    ("group", "", "a name"),
    ("group", 7, "a name"),
    ("health_path", "health", "a path that starts with a slash"),
    ("health_path", "/", "a path that starts with a slash"),
    ("watch_pool_start", "maybe", "true or false"),
    ("watch_pool_start", 2, "true or false"),
])
def test_a_value_that_is_not_allowed_is_named_with_its_option_and_what_is(option, value, allowed):
    """One clear error for every option, from a keyword."""
    with pytest.raises(OptionError) as raised:
        ThreadGuard(app, **{option: value})
    assert str(raised.value).startswith("TG901 threadguard: option %s = %r is not allowed: it takes " % (option, value))
    assert allowed in str(raised.value)


class Awkward:
    """A value that is no value at all, and says so in its own way."""

    def _raise(self, *args):
        raise ZeroDivisionError("of its own")

    __repr__ = __float__ = __int__ = __index__ = __eq__ = _raise
    __hash__ = None


@pytest.mark.parametrize("option", sorted(options.OPTIONS))
@pytest.mark.parametrize("value", [
    pytest.param(Awkward(), id="raises whatever is done to it"),
    pytest.param(-10 ** 5000, id="a number that Python does not print"),
    pytest.param("x\n" * 100000, id="a long text"),
])
def test_no_value_brings_out_another_error(option, value):
    """Whatever a value does when it is converted or shown: one error, of one short line, names the option."""
    try:
        taken = ThreadGuard(app, **{option: value, "watch_pool_start": False} if option != "watch_pool_start" else {
            option: value})
    except OptionError as error:
        assert str(error).startswith("TG901 threadguard: option %s = " % option)
        assert str(error).isprintable() and len(str(error)) < 400
    else:
        assert option in ("group", "health_token") and isinstance(value, str), taken


def test_an_application_that_cannot_be_shown_is_named_by_its_type():
    """It is no WSGI application, and its repr fails."""
    with pytest.raises(TypeError, match="which is callable; <Awkward> is not"):
        ThreadGuard(Awkward())


def test_a_capacity_that_python_does_not_print_is_no_capacity():
    """Nor would anybody have so many threads."""
    with pytest.raises(OptionError, match="option server_threads = (1000.*…|<int>) is not allowed"):
        ThreadGuard(app, server_threads=10 ** 5000)


def test_a_path_that_no_client_can_send_is_not_allowed():
    """Half a surrogate pair has no UTF-8."""
    with pytest.raises(OptionError, match="option health_path = "):
        ThreadGuard(app, health_path="/\ud800")


def test_a_value_from_somewhere_is_shown_with_where_it_stands():
    """The file, the section or the variable."""
    with pytest.raises(OptionError, match=r"seconds greater than 0 \(it stands in my.ini\)$"):
        options.from_strings({"serialize_timeout": "soon"}, "my.ini")
    with pytest.raises(OptionError, match=r"\(it stands in the environment variable THREADGUARD_SERVER_THREADS\)$"):
        options.from_environment({"THREADGUARD_SERVER_THREADS": "four"})


def test_an_empty_variable_is_as_good_as_none():
    """``docker -e THREADGUARD_POLICY=`` sets nothing; a misspelt name is named all the same."""
    assert options.from_environment({"THREADGUARD_POLICY": "", "THREADGUARD_SERVER_THREADS": " "}) == {}
    with pytest.raises(OptionError, match="there is no option 'polcy'"):
        options.from_environment({"THREADGUARD_POLCY": ""})


def test_a_secret_is_not_shown():
    """The token is no matter for a log."""
    with pytest.raises(OptionError, match=r"health_token = \(not shown\) is not allowed"):
        options.convert("health_token", b"secret")


def test_a_keyword_that_does_not_exist_is_a_type_error():
    """As for any Python function."""
    with pytest.raises(TypeError, match="polcy"):
        ThreadGuard(app, polcy="log")


def test_strings_become_what_the_options_are():
    """An ini file knows nothing but strings."""
    assert options.from_strings({
        "policy": " serialize ", "serialize_timeout": "2.5", "server_threads": "3", "group": "a", "health_path": "/-/h",
        "health_token": "t", "watch_pool_start": "no"}, "x") == {
        "policy": "serialize", "serialize_timeout": 2.5, "server_threads": 3, "group": "a", "health_path": "/-/h",
        "health_token": "t", "watch_pool_start": False}


def test_a_misspelt_option_is_named_with_those_that_exist():
    """So is the place where it stands."""
    with pytest.raises(OptionError, match=r"there is no option 'polcy' \(in my.ini\); there are group, .*policy"):
        options.from_strings({"polcy": "log"}, "my.ini")


def test_environment_variables_are_options():
    """THREADGUARD_SERIALIZE_TIMEOUT is serialize_timeout; other variables are nobody's business."""
    variables = {"THREADGUARD_SERIALIZE_TIMEOUT": "4", "THREADGUARD_APP": "x", "HOME": "/"}
    assert options.from_environment(variables, other=("THREADGUARD_APP",)) == {"serialize_timeout": 4.0}


def test_a_misspelt_environment_variable_is_named():
    """Nothing of our prefix is passed over in silence."""
    with pytest.raises(OptionError, match="there is no option 'polcy'"):
        options.from_environment({"THREADGUARD_POLCY": "log"})


def test_every_option_is_a_keyword_of_the_guard():
    """The table and the signature say the same."""
    keywords = set(ThreadGuard.__init__.__kwdefaults__)
    assert keywords == set(options.OPTIONS)
