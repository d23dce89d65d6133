"""The three servers that are compared, by the names that reports have for them."""

PLAIN, CREANCE, ADOPTED = "plain pyop", "Creance", "adopted"
