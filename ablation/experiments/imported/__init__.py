"""The experiment of results that exist already: nothing is trained, and its factors and measures are the source's."""
