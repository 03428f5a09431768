"""Model files: what exists, where each comes from, and how it becomes something the pipeline can run."""
