"""Tables: one model of typed cells, rendered in every format."""
