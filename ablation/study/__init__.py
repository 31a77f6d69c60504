"""Content of a study: factors, conditions, designs and study files. Immutable values, no side effects."""
