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
    ("health_path", "/\ud800", "a path that starts with a slash"),
    ("watch_pool_start", "maybe", "true or false"),
    ("watch_pool_start", 2, "true or false"),
    *(("health_token", token, "a secret that is not empty, without control characters") for token in (
        "", " ", "a\nb", "a\0b", "\x7f", "a\tb", "\ud800", "\udca0", "\udc85\udca0", b"secret")),
], ids=ascii)
def test_a_value_that_is_not_allowed_is_named_with_its_option_and_what_is(option, value, allowed):
    """One clear error for every option, from a keyword, at construction; a secret is not shown."""
    with pytest.raises(OptionError) as raised:
        ThreadGuard(app, **{option: value})
    shown = "(not shown)" if option == "health_token" else repr(value)
    assert str(raised.value).startswith("TG901 threadguard: option %s = %s is not allowed: it takes " % (option, shown))
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


SERVICE = {
    "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP_METRICS": "80", "PORT": "tcp://10.0.0.1:80",
    "PORT_80_TCP": "tcp://10.0.0.1:80", "PORT_80_TCP_PROTO": "tcp", "PORT_80_TCP_PORT": "80",
    "PORT_80_TCP_ADDR": "10.0.0.1", "PORT_53_UDP": "udp://[fd00::1]:53", "PORT_53_UDP_ADDR": "fd00::1",
    "PORT_36412_SCTP_PROTO": "sctp"}
"""What Kubernetes sets in every pod of the namespace, of a Service with several ports."""
LINK = {
    "PORT": "udp://172.17.0.5:53", "PORT_80_TCP": "tcp://172.17.0.5:80", "PORT_8000_TCP_START": "tcp://172.17.0.5:8000",
    "PORT_8000_TCP_END": "tcp://172.17.0.5:8009", "PORT_8000_TCP_PORT_START": "8000", "PORT_8000_TCP_PORT_END": "8009",
    "PORT_8000_TCP_ADDR": "172.17.0.5", "PORT_8000_TCP_PROTO": "tcp", "NAME": "/site/threadguard",
    "ENV_LANG": "C.UTF-8", "ENV_http_proxy": "", "ENV_MOTD": "two\nlines", "ENV_THREADGUARD_POLICY": "any"}
"""What Docker sets of a linked container: its ports, its name, its own environment."""


@pytest.mark.parametrize("called", [
    "THREADGUARD_", "THREADGUARD_POLICY_", "THREADGUARD_HEALTH_TOKEN_", "THREADGUARD_APP_", "THREADGUARD_2_"])
@pytest.mark.parametrize("family", [pytest.param(SERVICE, id="Kubernetes"), pytest.param(LINK, id="Docker")])
def test_what_a_service_of_the_name_leaves_in_the_environment_is_no_misspelt_option(family, called):
    """A Service or a container may be called threadguard, or threadguard-policy: every pod there has its variables."""
    variables = {called + name: value for name, value in family.items()}
    assert options.from_environment({**variables, "THREADGUARD_GROUP": "a"}) == {"group": "a"}


@pytest.mark.parametrize("name, value", [
    ("PORT", "8080"), ("PORT", ""), ("NAME", "main"), ("GROUP_NAME", "main"), ("SERVICE", "x"), ("SERVICE_HOSTS", "x"),
    ("PORT_HTTP", "80"), ("PORT_80_TCP_NAME", "x"), ("PORT_TCP", "80"), ("ENV", "production"), ("ENV_", "x")])
def test_what_no_service_sets_is_a_misspelt_option_all_the_same(name, value):
    """A platform gives addresses as URLs and names as paths."""
    with pytest.raises(OptionError, match="there is no option '%s'" % name.lower()):
        options.from_environment({"THREADGUARD_" + name: value})


def test_no_option_has_a_name_that_a_service_may_set():
    """Whatever the Service is called, its variables set no option."""
    values = {**LINK, **SERVICE}.values()
    assert not any(options.is_of_a_service(options.PREFIX + option.upper(), value)
                   for option in options.OPTIONS for value in values)


def test_every_option_is_a_keyword_of_the_guard():
    """The table and the signature say the same."""
    keywords = set(ThreadGuard.__init__.__kwdefaults__)
    assert keywords == set(options.OPTIONS)


@pytest.mark.parametrize("token", ["s3cret", "caf\xe9", "with a space", "\udce4\udcf6", "voil\xe0"])
def test_a_token_is_any_text_that_a_header_takes(token):
    """Also one of bytes that are no UTF-8, as Python reads a variable."""
    assert options.convert("health_token", token) == token
