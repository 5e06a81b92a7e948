"""The ten styles, named after GTZAN's genres: caricatures with overlaps, so that neighbours get confused."""

from __future__ import annotations

from musicgenre.dataset.demo.style import Style
from musicgenre.dataset.demo.styles.beats import HIPHOP, REGGAE
from musicgenre.dataset.demo.styles.concert import CLASSICAL
from musicgenre.dataset.demo.styles.dance import DISCO, POP
from musicgenre.dataset.demo.styles.loud import METAL, ROCK
from musicgenre.dataset.demo.styles.roots import BLUES, COUNTRY, JAZZ

# The order names random streams: append, never insert.
STYLES: dict[str, Style] = {
    "blues": BLUES,
    "classical": CLASSICAL,
    "country": COUNTRY,
    "disco": DISCO,
    "hiphop": HIPHOP,
    "jazz": JAZZ,
    "metal": METAL,
    "pop": POP,
    "reggae": REGGAE,
    "rock": ROCK,
}

__all__ = ["STYLES"]
