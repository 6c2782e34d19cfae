"""The topics of this release, by name."""

from projections.actions import ACTIONS
from projections.people import PEOPLE
from projections.projection import AnyProjection
from projections.spaces import SPACES
from projections.transcripts import TRANSCRIPTS

TOPICS: dict[str, AnyProjection] = {
    projection.topic: projection for projection in (PEOPLE, SPACES, TRANSCRIPTS, ACTIONS)
}
