"""Training on whole recordings: data, losses, loop, ensembles, export. Needs PyTorch (`emotrace[train]`)."""
