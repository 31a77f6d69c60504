"""Slots, and the processes on them: jobs go out, values or losses come back. What a job does is not known here."""
