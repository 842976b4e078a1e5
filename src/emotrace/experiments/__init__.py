"""One file a table or figure, each run by one command that leaves its numbers in a JSON file."""
