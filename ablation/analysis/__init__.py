"""Analysis of a study: selection and its seal, evidence, comparisons between rows."""
