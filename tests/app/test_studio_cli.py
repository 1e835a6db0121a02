"""``retouch app`` on the command line: what is wrong is said in one sentence."""

import sys

import pytest
from typer.testing import CliRunner

from retouch.app.serve import serve
from retouch.app.tasks import Loading
from retouch.app.workshop import Workshop
from retouch.cli.app import commands
from retouch.errors import BadParameter, RetouchError


def test_without_gradio_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(Workshop, "start", lambda self: None)
    with pytest.raises(RetouchError, match=r"gradio is not installed: get it with pip install 'retouch\[app\]'"):
        serve(Loading(), "127.0.0.1", 0, pytest.fail)


@pytest.mark.parametrize(
    "options, sentence",
    [(["--port", "70000"], "--port is 70000"), (["--host", "203.0.113.1"], "no address of this machine"),
     (["--time-limit", "0"], "--time-limit is 0"), (["--idle", "nan"], "--idle is nan")],
)  # fmt: skip
def test_a_wrong_option_is_said_before_anything_is_loaded(options, sentence, monkeypatch):
    monkeypatch.setattr(Workshop, "start", lambda self: pytest.fail("it was loaded"))
    told = CliRunner().invoke(commands("app"), ["app", *options])
    assert isinstance(told.exception, BadParameter) and sentence in str(told.exception)


def test_the_studio_is_for_this_machine_alone_unless_it_is_said_otherwise():
    import inspect

    from retouch.cli.studio import studio

    given = inspect.signature(studio).parameters
    assert given["host"].default == "127.0.0.1" and "share" not in given
