"""The file that says for whom the device works: what a crash leaves, and what cannot be read."""

import uuid

import pytest

from bot.storage.suspects import SUSPECTS, SuspectsFile

JOBS = frozenset({uuid.UUID(int=1), uuid.UUID(int=2)})


@pytest.fixture
def suspects(tmp_path) -> SuspectsFile:
    return SuspectsFile(tmp_path / SUSPECTS)


def test_another_process_finds_what_was_written_last(suspects, tmp_path):
    suspects.write(JOBS)
    assert SuspectsFile(tmp_path / SUSPECTS).read() == JOBS
    suspects.write(frozenset())
    assert SuspectsFile(tmp_path / SUSPECTS).read() == frozenset()
    assert [path.name for path in tmp_path.iterdir()] == [SUSPECTS]


@pytest.mark.parametrize("text", ["", "{", "{}x", "7", "[7]", '["x"]', "null", "[" * 10_000, "\0"])
def test_what_cannot_be_read_is_nobodys_alibi(suspects, tmp_path, text):
    (tmp_path / SUSPECTS).write_text(text)
    assert suspects.read() is None


def test_without_a_file_nothing_is_known(suspects):
    assert suspects.read() is None


def test_what_cannot_be_written_leaves_no_older_list(suspects, tmp_path, caplog):
    suspects.write(JOBS)
    (tmp_path / SUSPECTS).with_suffix(".part").mkdir()
    suspects.write(frozenset())
    assert suspects.read() is None
    assert "cannot be written" in caplog.text
