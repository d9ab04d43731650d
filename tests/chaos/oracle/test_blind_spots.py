"""The search for blind spots is exact: it finds what looking at each of them would find."""

from hypothesis import given
from hypothesis import strategies as st

from chaos.oracle.blind_spots import CAUSES, BlindSpot, BlindSpots

TIMES = st.integers(0, 30).map(float)
SERVERS = ("sc", "spu:0", "spu:1")
SPOTS = st.builds(
    lambda start, length, server, cause, connection: BlindSpot(
        start, start + length, server, cause, connection
    ),
    TIMES,
    st.integers(0, 6),
    st.sampled_from(SERVERS),
    st.sampled_from(CAUSES),
    st.none() | st.integers(1, 4),
)


@given(
    st.lists(SPOTS, max_size=30),
    st.sets(st.sampled_from(SERVERS)),
    TIMES,
    st.integers(0, 6),
    st.sets(st.integers(1, 4)),
)
def test_a_cause_is_found_exactly_where_a_spot_is_in_reach(
    spots: list[BlindSpot], servers: set[str], start: float, length: int, but: set[int]
) -> None:
    end = start + length
    reached = {
        spot.cause
        for spot in spots
        if spot.server in servers
        and spot.start <= end
        and spot.end >= start
        and spot.connection not in but
    }
    found = BlindSpots(spots).cause(servers, start, end, but)
    assert found == next((cause for cause in CAUSES if cause in reached), None)
