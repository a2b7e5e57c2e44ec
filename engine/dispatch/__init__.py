"""Who works on a due execution: threads on one machine, or workers on many."""
