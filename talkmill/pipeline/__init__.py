"""In what order stages run: the graph, and the runner of one process."""
