"""Output of the model. Each kind of output has a folder: text is for people."""
