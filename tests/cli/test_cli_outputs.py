"""Files that the command writes: whole, never by surprise."""

import errno
import os
from pathlib import Path

import pytest

import mixtura.data.tabular
import mixtura.io.files

EVERY_FILE = {"--report": "r.html", "--assignments": "a.csv", "--save": "m.mixtura"}


@pytest.mark.parametrize(("option", "name"), EVERY_FILE.items())
def test_a_file_that_exists_is_refused_before_the_data_are_read(
    run, small, monkeypatch, option, name
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the data were read")

    monkeypatch.setattr(mixtura.data.tabular, "read_table", forbidden)
    Path(name).write_text("precious")
    every = [part for pair in EVERY_FILE.items() for part in pair]
    done = run("fit", small, *every)
    assert done.code == 2
    assert f"{option} '{name}' exists" in done.error
    assert "--force" in done.error
    assert Path(name).read_text() == "precious"
    assert sorted(os.listdir()) == sorted(["small.csv", name])


def test_force_replaces(run, small) -> None:
    for name in EVERY_FILE.values():
        Path(name).write_text("old")
    every = [part for pair in EVERY_FILE.items() for part in pair]
    assert run("fit", small, *every, "--force").code == 0
    assert all("old" not in Path(name).read_text("latin-1")[:10] for name in EVERY_FILE.values())
    assert sorted(os.listdir()) == sorted(["small.csv", *EVERY_FILE.values()])


def test_links_are_followed_and_kept(run, small) -> None:
    Path("target.csv").write_text("old")
    Path("link.csv").symlink_to("target.csv")
    assert run("fit", small, "--assignments", "link.csv").code == 2
    assert run("fit", small, "--assignments", "link.csv", "--force").code == 0
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text().startswith("row,")


def test_two_names_of_one_file_are_found_out(run, small) -> None:
    Path("b.csv").symlink_to("a.csv")
    done = run("fit", small, "--assignments", "a.csv", "--save", "b.csv")
    assert done.code == 2
    assert "same file" in done.error


def test_an_input_is_never_replaced(run, small, model) -> None:
    for arguments in (
        ("predict", model, small, "-o", small),
        ("predict", model, small, "-o", f"{small.parent}/./small.csv"),
        ("fit", small, "--assignments", small),
    ):
        done = run(*arguments, "--force")
        assert done.code == 2
        assert "would replace an input" in done.error
    assert small.read_text().startswith("name,")


def test_nothing_is_written_where_the_data_are_bad(run, small) -> None:
    small.write_text("x,y\n1,2\n3,oops\n5,6\n")
    every = [part for pair in EVERY_FILE.items() for part in pair]
    assert run("fit", small, *every).code == 3
    assert os.listdir() == ["small.csv"]


def test_a_full_disk_is_exit_code_5_and_the_result_is_printed(run, small, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mixtura.io.files.os, "replace", full)
    done = run("fit", small, "--assignments", "a.csv")
    assert done.code == 5
    assert "No space left on device" in done.error
    assert "a.csv" in done.error
    assert "component" in done.out
    assert os.listdir() == ["small.csv"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_to(run, small) -> None:
    Path("closed").mkdir(mode=0o500)
    done = run("fit", small, "--save", "closed/m.mixtura")
    assert done.code == 2
    assert "may not be written" in done.error


def test_memory_is_exit_code_5(run, small, monkeypatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(mixtura.data.tabular, "read_table", greedy)
    done = run("fit", small)
    assert done.code == 5
    assert "memory" in done.error


def test_a_bug_is_one_line_and_a_traceback_only_on_request(run, small, monkeypatch, capsys) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("\x1b[31mof\nno importance")

    monkeypatch.setattr(mixtura.data.tabular, "read_table", broken)
    done = run("fit", small)
    assert done.code == 1
    assert "report it" in done.error
    assert "\x1b" not in done.err
    monkeypatch.setenv("MIXTURA_DEBUG", "1")
    assert mixtura.cli.main(["fit", str(small)]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interruption_is_one_line(run, small, monkeypatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mixtura.data.tabular, "read_table", stop)
    done = run("fit", small)
    assert (done.code, done.err) == (130, "mixtura: interrupted\n")
