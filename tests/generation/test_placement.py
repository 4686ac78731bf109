"""Where a job goes when there are several workers."""

from typing import Any

from generation.placement import Line, Site, place

WORTH = 12.0


def site(name: str, **known: Any) -> Site[str]:
    return Site(**{"worker": name, "has_model": True, "has_room": True, "owed": 0, "places": 8} | known)


def line(same_model: int = 1, **known: Any) -> Line:
    return Line(**{"same_model": same_model, "worth": WORTH} | known)


def chosen(*sites: Site[str], images: int = 1, **known: Any) -> str | None:
    found = place(sites, images, line(**known))
    return None if found is None else found.worker


def test_with_slack_a_job_goes_where_it_is_drawn_soonest() -> None:
    assert chosen(site("a", owed=4), site("b", owed=2), site("cold", has_model=False)) == "b"
    assert chosen(site("small", owed=2, places=2), site("large", owed=4, places=8)) == "large"


def test_with_a_line_a_job_fills_the_call_that_has_room_for_it() -> None:
    assert chosen(site("a", owed=2), site("b", owed=6), site("full", owed=8), others=20) == "b"
    assert chosen(site("a", owed=6), site("b", owed=8), images=4, others=20) == "a", "none has room: the soonest"


def test_a_model_that_no_worker_has_is_loaded_where_the_least_is_missed() -> None:
    cold = site("last copy", has_model=False, is_last_copy=True), site("spare", has_model=False)
    assert chosen(*cold) == "spare"
    assert chosen(cold[0]) == "last copy"


def test_one_load_of_a_model_at_a_time_is_under_way() -> None:
    loading = site("loading", has_model=False, loads_it=True, has_room=False)
    assert chosen(loading, site("cold", has_model=False), same_model=100) is None


def test_what_comes_for_a_model_while_it_is_loaded_goes_to_the_worker_that_loads_it() -> None:
    loading = site("loading", has_model=False, loads_it=True, owed=9)
    assert chosen(loading, site("cold", has_model=False), same_model=100) == "loading"
    assert chosen(site("warm", owed=8), loading, same_model=100) == "warm", "it draws already"


def test_a_further_copy_is_loaded_only_when_what_waits_is_worth_it() -> None:
    full, cold = site("full", has_room=False), site("cold", has_model=False)
    assert chosen(full, cold, same_model=11) is None
    assert chosen(full, cold, same_model=12) == "cold"
    assert chosen(full, full, cold, same_model=12) is None, "two copies are there"


def test_where_no_worker_has_room_a_job_waits() -> None:
    busy = site("busy", has_model=False, has_room=False, owed=9), site("warm", has_room=False, owed=3)
    assert chosen(*busy, same_model=100) is None


def test_without_a_worker_there_is_no_place() -> None:
    assert chosen() is None
