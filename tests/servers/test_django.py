import pytest
from fake_stacks import at_startup, in_thread, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import django

RUNSERVER = "def inner_run(*args, **options): return look()"


def runserver(look, **options):
    """What *look* returns below the runserver of Django with *options*."""
    return module("django.core.management.commands.runserver", RUNSERVER, look=look).inner_run(None, **options)


def test_runserver_has_threads_by_default():
    """runserver without an option starts a thread for each request."""
    expected = Reading(Source.SETTING, "Django's runserver", None, "runserver has use_threading=True",
                       django.REMEDY, unbounded=True)
    assert expected == django.read_settings()


@pytest.mark.parametrize("use_threading, capacity", [(True, None), (False, 1)])
@pytest.mark.parametrize("thread", ["the main thread", "django-main-thread"])
def test_runserver_on_the_stack_tells_its_option(use_threading, capacity, thread):
    """While inner_run loads the application its option tells, also in the thread that the autoreloader starts."""
    def start():
        return runserver(lambda: at_startup(django), use_threading=use_threading)
    reading = start() if thread == "the main thread" else in_thread(start)
    assert (capacity, use_threading, True) == (reading.capacity, reading.unbounded, reading.on_stack)


@pytest.mark.parametrize("option, capacity", [([], None), (["--nothreading"], 1)])
def test_the_real_runserver_tells_its_option(monkeypatch, option, capacity):
    """Django's own command, as far as the import of the application."""
    pytest.importorskip("django.core.management", reason="Django is not installed")
    from django.conf import settings
    if not settings.configured:
        settings.configure(DEBUG=True, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
    from django.core.management.commands import runserver as real
    seen = []
    monkeypatch.setattr(real.Command, "check", lambda *args, **options: None)
    monkeypatch.setattr(real.Command, "check_migrations", lambda command: None)
    monkeypatch.setattr(real, "get_internal_wsgi_application", lambda: seen.append(at_startup(django)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        real.Command().run_from_argv(["manage.py", "runserver", "--noreload", *option])
    assert [capacity] == [reading.capacity for reading in seen]


def test_nothreading_is_seen_on_a_request_although_the_flag_says_true():
    """Without threads inner_run is on the request's own stack, and says one request at a time."""
    reading = runserver(lambda: on_request(django, {"wsgi.multithread": True}), use_threading=False)
    assert (1, Source.SETTING) == (reading.capacity, reading.source)


@pytest.mark.parametrize("options", [{}, {"use_threading": None}], ids=["no option", "no value"])
def test_a_setting_that_moved_is_not_known(options):
    """A runserver without use_threading says nothing, and above all not single-threaded."""
    assert runserver(lambda: at_startup(django), **options) is None


def test_another_command_of_django_is_not_runserver():
    """daphne's runserver serves ASGI in an inner_run of its own: only Django's is read."""
    daphne = module("daphne.management.commands.runserver", RUNSERVER, look=lambda: at_startup(django))
    assert daphne.inner_run(use_threading=True) is None


def test_django_serves_where_its_request_handler_is_on_the_stack():
    """serves() knows the handler of django.core.servers, and nothing where there is none."""
    handler = module("django.core.servers.basehttp", "def handle_one_request(): return look()",
                     look=lambda: serves(django))
    assert (True, False) == (handler.handle_one_request(), serves(django))
